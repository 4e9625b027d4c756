"""The control plane's verbs. Each is: authorize, check, write and audit, in one durable transaction."""
