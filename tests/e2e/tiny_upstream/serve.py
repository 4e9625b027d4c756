"""Serves a GGUF with llama.cpp's own OpenAI-compatible server and prints `READY <url>`.

A failed assertion inside llama.cpp ends the whole process, so this runs as a child of the tests.

    python serve.py tiny.gguf sk-upstream [embeddings]
"""

import signal
import sys
import threading
from typing import Any, Final

import xllamacpp as untyped

xllamacpp: Any = untyped
SLOTS: Final = 8
CONTEXT_PER_SLOT: Final = 2048


def main(model: str, api_key: str, purpose: str = "text") -> None:
    """Serve until the process is told to end. A server for embeddings makes no text."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    given = _parameters(model, api_key)
    if purpose == "embeddings":
        given.embedding = True
        given.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(given)
    print(f"READY {server.listening_address}", flush=True)  # noqa: T201  who started it reads this
    while not ended.wait(0.5):
        pass
    del server


def _parameters(model: str, api_key: str) -> Any:
    given: Any = xllamacpp.CommonParams()
    given.model.path = model
    given.model_alias = {"tiny-1"} if isinstance(given.model_alias, set) else "tiny-1"
    given.hostnames = ["127.0.0.1"]
    given.port = 0
    given.api_keys = [api_key]
    given.n_parallel = SLOTS
    given.n_ctx = CONTEXT_PER_SLOT * SLOTS
    given.cpuparams.n_threads = 1
    given.cpuparams_batch.n_threads = 1
    given.n_threads_http = 16
    given.use_jinja = True
    given.fit_params = False
    given.ui = False
    given.cache_ram_mib = 64
    # Plain sampling, so that the end of turn keeps its own probability.
    given.sampling.top_k = 0
    given.sampling.top_p = 1.0
    given.sampling.min_p = 0.0
    given.sampling.temp = 1.0
    given.verbosity = 0
    return given


if __name__ == "__main__":
    main(*sys.argv[1:])
