"""The Admin API: OpenAI's, with Keyhouse's additions in the same tree and style. Admin keys only."""
