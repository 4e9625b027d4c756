"""The control plane's questions: what pages and the Admin API show. Nothing here writes."""
