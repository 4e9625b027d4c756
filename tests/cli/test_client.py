"""The command in front of every kind of server and credential."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from admin.town import Town
from cli.conftest import Run


def test_without_an_admin_key_the_command_says_where_it_comes_from(town: Town, run: Run) -> None:
    ended = run(["keys", "list"], environment={"KEYHOUSE_ADMIN_KEY": None})
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "KEYHOUSE_ADMIN_KEY" in ended.stderr
    assert "KEYHOUSE_ADMIN_KEY_FILE" in ended.stderr
    assert "in the console (Settings, Admin keys)" in ended.stderr
    assert "keyhouse admin-keys create --data DIR --email OWNER --name NAME" in ended.stderr
    made = run(["admin-keys", "create", "--name", "x"], environment={"KEYHOUSE_ADMIN_KEY": None})
    assert (made.returncode, made.stderr) == (4, ended.stderr)


def test_the_admin_key_is_read_from_a_file(town: Town, run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(town.owner + "\n")
    ended = run(["keys", "list"], environment={"KEYHOUSE_ADMIN_KEY": None, "KEYHOUSE_ADMIN_KEY_FILE": "key"})
    assert ended.returncode == 0
    ended = run(["keys", "list"], environment={"KEYHOUSE_ADMIN_KEY": None, "KEYHOUSE_ADMIN_KEY_FILE": "none"})
    assert ended.returncode == 4
    assert "KEYHOUSE_ADMIN_KEY_FILE" in ended.stderr


@pytest.mark.parametrize("key", ["nonsense", "sk-admin-kh_x", "a b", "sk-\nx", "ключ"])
def test_a_key_that_is_none_is_denied(town: Town, run: Run, key: str) -> None:
    ended = run(["keys", "list"], environment={"KEYHOUSE_ADMIN_KEY": key})
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "Traceback" not in ended.stderr


def test_a_reader_may_look_and_is_denied_changes(town: Town, run: Run) -> None:
    environment = {"KEYHOUSE_ADMIN_KEY": town.reader}
    assert run(["keys", "list"], environment=environment).returncode == 0
    ended = run(["keys", "create", "--name", "x"], environment=environment)
    assert ended.returncode == 4
    assert "owner" in ended.stderr


def test_a_server_that_is_not_there_is_a_reason_to_try_again(town: Town, run: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    ended = run(["keys", "list"], environment={"KEYHOUSE_URL": url})
    assert (ended.returncode, ended.stdout) == (75, "")
    assert url in ended.stderr
    assert "keyhouse serve" in ended.stderr
    assert "KEYHOUSE_URL" in ended.stderr


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://", "http://[::1", "127.0.0.1:8080"])
def test_an_address_that_is_none_is_refused(town: Town, run: Run, url: str) -> None:
    ended = run(["keys", "list"], environment={"KEYHOUSE_URL": url})
    assert ended.returncode == 2
    assert "KEYHOUSE_URL" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_address_may_end_where_openais_does(town: Town, run: Run) -> None:
    for url in (f"{town.url}/", f"{town.url}/v1", f"{town.url}/v1/"):
        assert run(["projects", "list"], environment={"KEYHOUSE_URL": url}).returncode == 0


class Breaking(ThreadingHTTPServer):
    """Passes everything on to a town, and breaks the connection before so many answers to a POST."""

    daemon_threads = True

    def __init__(self, town: Town, broken: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.town, self.broken = town, broken
        self.keys: list[str | None] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of this server's business."""


class _Passing(BaseHTTPRequestHandler):
    server: Breaking

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self._pass_on(body)

    def do_GET(self) -> None:
        self._pass_on(b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name it has there
        """Nobody reads it."""

    def _pass_on(self, body: bytes) -> None:
        headers = {name: self.headers[name] for name in self.headers if name.lower() not in ("host", "connection")}
        answer = httpx.request(self.command, f"{self.server.town.url}{self.path}", content=body, headers=headers)
        if self.command == "POST":
            self.server.keys.append(self.headers.get("idempotency-key"))
            if len(self.server.keys) <= self.server.broken:
                return
        self.send_response(answer.status_code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)


@contextmanager
def breaking(town: Town, broken: int) -> Iterator[tuple[Breaking, dict[str, str]]]:
    """Such a server, and the environment in which the command asks it."""
    server = Breaking(town, broken)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server, {"KEYHOUSE_URL": f"http://127.0.0.1:{server.server_port}"}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


SECRETS = (
    ["keys", "rotate", "key_1"],
    ["keys", "create", "--name", "app"],
    ["service-accounts", "create", "--name", "bot"],
)


@pytest.mark.parametrize("arguments", SECRETS)
def test_a_secret_whose_answer_was_lost_is_asked_for_again_and_made_once(
    town: Town, run: Run, arguments: list[str]
) -> None:
    before = len(town.rows("key_secrets"))
    with breaking(town, 2) as (server, environment):
        ended = run(arguments, environment=environment)
    assert ended.returncode == 0, ended.stderr
    assert "secret" in ended.stdout
    assert len(server.keys) == 3
    assert len(set(server.keys)) == 1
    assert len(town.rows("key_secrets")) == before + 1


@pytest.mark.parametrize("arguments", SECRETS)
def test_a_run_after_one_without_an_answer_makes_nothing_twice(town: Town, run: Run, arguments: list[str]) -> None:
    before = len(town.rows("key_secrets"))
    with breaking(town, 3) as (server, environment):
        ended = run(arguments, environment=environment)
        assert (ended.returncode, ended.stdout) == (75, "")
        option, chosen = ended.stderr.split()[-2:]
        assert (option, chosen) == ("--idempotency-key", server.keys[0])
        ended = run([*arguments, option, chosen], environment=environment)
        assert ended.returncode == 0, ended.stderr
        again = run([*arguments, option, chosen], environment=environment)
        assert again.stdout == ended.stdout
    assert len(town.rows("key_secrets")) == before + 1


def test_what_makes_no_secret_is_not_asked_for_again(town: Town, run: Run) -> None:
    with breaking(town, 1) as (server, environment):
        ended = run(["projects", "create", "--name", "Search"], environment=environment)
    assert (ended.returncode, ended.stdout) == (75, "")
    assert "broke before it answered" in ended.stderr
    assert server.keys == [None]
    assert len(town.rows("projects")) == 3


def test_a_server_that_is_gone_when_it_is_asked_again_is_waited_for_a_little(town: Town, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def break_off() -> None:
            connection, _ = server.accept()
            connection.close()
            server.close()

        thread = threading.Thread(target=break_off)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        path = ["service-accounts", "create", "--name", "x", "--project", "proj_1", "--idempotency-key", "build 7"]
        ended = run(path, environment={"KEYHOUSE_URL": url})
        thread.join()
    assert ended.returncode == 75
    assert ended.stderr.endswith("--idempotency-key 'build 7'\n")
