"""The `keyhouse` command: the one room that talks to people.

Data goes to stdout, talk to stderr. Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 denied, 5 conflict,
75 try again. Secrets come from stdin, a file or the environment, never from arguments.
"""
