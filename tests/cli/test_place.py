"""Which database a command works on, and how it ends where that cannot be used."""

from pathlib import Path

from cli.conftest import command


def test_the_database_is_named_once(tmp_path: Path) -> None:
    for arguments in (["--data", ".", "--database", "sqlite:///keyhouse.db"], []):
        ended = command(["ledger", "verify", *arguments], tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "either --data or --database" in ended.stderr


def test_without_a_name_it_is_the_configured_one(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "url").write_text(postgres_url + "\n")
    ended = command(["ledger", "verify"], tmp_path, environment={"KEYHOUSE_DATABASE__URL_FILE": "url"})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "The books agree." in ended.stdout
    ended = command(["ledger", "verify"], tmp_path, environment={"KEYHOUSE_DATABASE__COLOUR": "blue"})
    assert ended.returncode == 1
    assert "colour" in ended.stderr


def test_what_cannot_be_opened_is_said_in_one_line_without_its_password(tmp_path: Path) -> None:
    for url in ("postgresql://ada:hunter2@127.0.0.1:1/x", "mysql://ada:hunter2@db/x", "sqlite:///nowhere/x.db"):
        ended = command(["ledger", "verify", "--database", url], tmp_path)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("keyhouse: ")
        assert ended.stderr.count("\n") == 1
        assert "hunter2" not in ended.stderr
