"""The way to the server: what is measured of a stream, against servers that keep it back or do not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from keyhouse.cli.checkups import Verdict
from keyhouse.cli.reach import Stream, check_address, check_server, check_stream

PIECES = 8
PAUSE = 0.1


@contextmanager
def a_server(post: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            post(self)

        def do_GET(self) -> None:
            self.send_response(200 if self.path in ("/readyz", "/healthz") else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def start(handler: BaseHTTPRequestHandler, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("connection", "close")
    handler.end_headers()


def flowing(handler: BaseHTTPRequestHandler) -> None:
    start(handler)
    for _ in range(PIECES):
        handler.wfile.write(b"data: {}\n\n")
        handler.wfile.flush()
        time.sleep(PAUSE)


def kept_back(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(PIECES * PAUSE)
    start(handler)
    handler.wfile.write(b"data: {}\n\n" * PIECES)


@pytest.mark.parametrize(
    ("post", "verdict"),
    [
        (flowing, Verdict.OK),
        (kept_back, Verdict.PROBLEM),
        (start, Verdict.SKIPPED),
        (lambda handler: start(handler, 401), Verdict.PROBLEM),
    ],
)
def test_a_stream_that_is_kept_back_is_told_from_one_that_flows(
    post: Callable[[BaseHTTPRequestHandler], None], verdict: Verdict
) -> None:
    with a_server(post) as url:
        assert check_stream(url, "sk-kh_x", "keyhouse-demo").verdict is verdict
        assert check_server(url).verdict is Verdict.OK
        assert check_address(url).verdict is Verdict.OK


def test_what_cannot_be_reached_is_said_to_be_so() -> None:
    assert check_server("http://127.0.0.1:9").verdict is Verdict.WARNING
    assert check_stream("http://127.0.0.1:9", "sk-kh_x", "m").verdict is Verdict.PROBLEM
    assert check_stream("http://127.0.0.1:9", None, "m").verdict is Verdict.SKIPPED
    assert check_address("http://keys.example.com").verdict is Verdict.WARNING
    assert check_address("https://127.0.0.1:9").verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("stream", "is_kept_back"),
    [
        (Stream(0.1, 3.0, 20), False),
        (Stream(2.9, 3.0, 20), True),
        (Stream(3.0, 3.0, 1), True),
        (Stream(0.1, 0.3, 9), None),
        (Stream(0.0, 0.0, 0), None),
    ],
)
def test_what_a_streams_times_say(stream: Stream, is_kept_back: bool | None) -> None:
    assert stream.is_kept_back is is_kept_back
