"""The HTTP server: from bytes on a socket to ASGI and back, on the event loop that serves the calls.

It knows HTTP/1.1 and ASGI and nothing of Keyhouse: what is asked and answered is the application's. What it may not
do: believe a request that the parser doubts, guess where one ends, or wait for a client for ever.
"""
