"""Keyhouse: an organization's own API-keys platform for AI."""

__version__ = "0.1.0"
