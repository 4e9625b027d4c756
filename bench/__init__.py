"""Keyhouse beside nginx, in one run on one machine: throughput, added latency, memory, and books that agree.

`python -m bench` runs it; README.md says what is measured and what the numbers mean.
"""
