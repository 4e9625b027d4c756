"""The command in front of every kind of server and credential."""

import socket
from pathlib import Path

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
