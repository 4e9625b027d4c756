"""Work in the background, through the real server: the client has gone, and the call is paid when it is done."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from e2e.admin import Admin
from e2e.configuration import a_house
from e2e.processes import House, eventually

UNFINISHED: dict[str, Any] = {"id": "resp_bg", "object": "response", "status": "queued", "output": [], "usage": None}
USAGE = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}


class Upstream(BaseHTTPRequestHandler):
    """Queues what it is asked for; when it is asked again, it is done if it may be."""

    may_finish = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._say(UNFINISHED)

    def do_GET(self) -> None:
        is_done = self.may_finish.is_set()
        self._say(UNFINISHED | {"status": "completed", "usage": USAGE} if is_done else UNFINISHED)

    def _say(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def queueing_house(tmp_path: Path) -> Iterator[House]:
    """A Keyhouse in front of an upstream that works in the background."""
    Upstream.may_finish.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made = a_house(tmp_path, f"http://127.0.0.1:{server.server_port}")
        yield made
        made.stop()
        server.shutdown()
        thread.join()
    made.verify()


def test_a_call_runs_on_when_its_client_has_gone_and_is_paid_when_it_is_done(queueing_house: House) -> None:
    with Admin(queueing_house) as admin:
        key = admin.create_key(limits=[{"unit": "usd", "window": "month", "amount": "1.00"}])
        base_url = f"{queueing_house.url}/v1"
        with OpenAI(base_url=base_url, api_key=key["value"], max_retries=0) as client:
            answer = client.responses.create(model="tiny-1", input="Hello", background=True, max_output_tokens=20)
        assert (answer.id, answer.status) == ("resp_bg", "queued")
        state = "SELECT state FROM calls WHERE key_id = ?"
        assert queueing_house.rows(state, key["id"])[0]["state"] == "held"
        Upstream.may_finish.set()
        eventually(lambda: queueing_house.rows(state, key["id"])[0]["state"] == "settled", "it is never paid")
        (row,) = queueing_house.calls(key["id"])
        assert (row["basis"], row["input_tokens"], row["output_tokens"]) == ("upstream", 7, 5)
        with OpenAI(base_url=base_url, api_key=key["value"], max_retries=0) as client:
            assert client.responses.retrieve("resp_bg").status == "completed"


def test_what_runs_on_when_keyhouse_is_stopped_is_paid_as_it_was_reserved(queueing_house: House) -> None:
    with Admin(queueing_house) as admin:
        key = admin.create_key()
        with OpenAI(base_url=f"{queueing_house.url}/v1", api_key=key["value"], max_retries=0) as client:
            client.responses.create(model="tiny-1", input="Hello", background=True, max_output_tokens=20)
        queueing_house.kill()
        queueing_house.start()
        (row,) = queueing_house.calls(key["id"])
        assert (row["state"], row["charged_nano_usd"]) == ("orphaned", row["reserved_nano_usd"])
