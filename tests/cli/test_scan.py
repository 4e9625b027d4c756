"""Secrets found where they lie, and nothing else, and none of them printed."""

import io
import json
import subprocess
from pathlib import Path

from admin.town import Town
from cli.conftest import Run, command
from given import seeded_entropy
from keyhouse.cli.scan import scan_stream
from keyhouse.core.secret import Kind, mint, redact

ENTROPY = seeded_entropy(77)
SECRETS = [mint(kind, f"key_{place:010}", ENTROPY).value for place, kind in enumerate(Kind)]
WRONG = SECRETS[0][:-1] + ("A" if SECRETS[0][-1] != "A" else "B")


def test_secrets_of_every_kind_are_found_and_never_printed(tmp_path: Path) -> None:
    (tmp_path / "app" / ".git").mkdir(parents=True)
    (tmp_path / "app" / ".git" / "config").write_text(SECRETS[0])
    (tmp_path / "app" / "a.env").write_text(f"# first\nKEY={SECRETS[0]}\nOTHER='{SECRETS[1]}'\n")
    (tmp_path / "app" / "b.log").write_bytes(b"\xff\xfe ok\n" * 3 + SECRETS[2].encode())
    (tmp_path / "app" / "c.bin").write_bytes(b"\0" + SECRETS[0].encode())
    (tmp_path / "app" / "link").symlink_to(tmp_path / "app" / "a.env")
    (tmp_path / "app" / "d.txt").write_text(f"{WRONG} x{SECRETS[0]} {SECRETS[0]}x sk-kh_ {SECRETS[0][:40]}")
    ended = command(["scan", "app", "--json"], tmp_path)
    assert ended.returncode == 1, ended.stderr
    found = [(each["place"], each["line"], each["secret"]) for each in json.loads(ended.stdout)["data"]]
    assert found == [
        ("app/a.env", 2, redact(SECRETS[0])),
        ("app/a.env", 3, redact(SECRETS[1])),
        ("app/b.log", 4, redact(SECRETS[2])),
    ]
    for secret in SECRETS:
        assert secret not in ended.stdout + ended.stderr
    shown = command(["scan", "app"], tmp_path)
    assert "app/a.env" in shown.stdout
    assert "keyhouse: 3 secrets found." in shown.stderr


def test_stdin_is_read_and_what_is_clean_ends_well(tmp_path: Path) -> None:
    assert command(["scan", "-"], tmp_path, f"a\nb {SECRETS[0]}\n").returncode == 1
    clean = command(["scan", "-"], tmp_path, WRONG)
    assert (clean.returncode, clean.stdout, clean.stderr) == (0, "", "keyhouse: no secret found.\n")
    assert command(["scan", "missing"], tmp_path).returncode == 3


def test_a_secret_is_found_wherever_the_pieces_of_a_stream_are_cut() -> None:
    for before in range(220):
        text = b"\n" * before + SECRETS[2].encode() + b"\n" * 150 + SECRETS[0].encode()
        found = [(each.line, each.secret.value) for each in scan_stream(io.BytesIO(text), "x", 100)]
        assert found == [(before + 1, SECRETS[2]), (before + 151, SECRETS[0])], before


def test_what_was_committed_once_is_found_in_the_history(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "a.py").write_text(f"x = 1\nkey = '{SECRETS[0]}'\n")
    git("add", ".")
    git("commit", "-qm", "one")
    (tmp_path / "a.py").write_text("x = 1\n")
    git("commit", "-qam", "two")
    assert command(["scan"], tmp_path).returncode == 0
    ended = command(["scan", "--history", "--json"], tmp_path)
    (found,) = json.loads(ended.stdout)["data"]
    assert (found["place"].partition(":")[2], found["line"], found["secret"]) == ("a.py", 2, redact(SECRETS[0]))
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    (tmp_path / ".git" / "HEAD").unlink()
    refused = command(["scan", "--history", "nowhere"], tmp_path)
    assert (refused.returncode, "git cannot read the history" in refused.stderr) == (1, True)


def test_an_admin_key_that_was_found_is_asked_for_by_its_id(town: Town, run: Run) -> None:
    gone = mint(Kind.ADMIN, "key_0000000000", ENTROPY).value
    ended = run(["scan", "--verify", "--json", "-"], f"{town.owner}\n{gone}\n")
    assert [each["state"] for each in json.loads(ended.stdout)["data"]] == ["ADMIN_KEY_EXISTS", "NOT_FOUND"]
    assert ended.returncode == 1


def test_a_secret_that_cannot_be_verified_hides_nothing_of_the_others(town: Town, run: Run) -> None:
    # Behind this address there is the Admin API and no gateway, which alone verifies keys that call models.
    ended = run(["scan", "--verify", "--json", "-"], f"{SECRETS[0]}\n{town.owner}\n")
    assert [each["state"] for each in json.loads(ended.stdout)["data"]] == ["UNKNOWN", "ADMIN_KEY_EXISTS"]
    assert f"{redact(SECRETS[0])} was not verified: " in ended.stderr
    assert ended.returncode == 1


def test_a_server_that_is_away_is_asked_once_and_what_was_found_is_shown(town: Town, run: Run) -> None:
    away = {"KEYHOUSE_URL": "http://127.0.0.1:9"}
    ended = run(["scan", "--verify", "--json", "-"], "\n".join(SECRETS), away)
    assert {each["state"] for each in json.loads(ended.stdout)["data"]} == {"UNKNOWN"}
    assert ended.stderr.count("was not verified") == 1
    assert ended.returncode == 1
