"""The data plane: model calls, as raw ASGI. It authenticates, reserves, forwards, relays and settles.

It reaches the ledger, the store and the wire, and nothing of the control plane, so that what stands between
a key and money stays small enough to be read in one go. Begin with `call.py`.
"""
