"""OpenAI's wire, pure: bytes in, facts out, and back. It knows no socket, no clock and no database."""
