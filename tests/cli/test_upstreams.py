"""`keyhouse upstreams` and `keyhouse models`, as their script tells it; a credential comes from anywhere but argv."""

from pathlib import Path

from admin.town import SEALING, Town
from cli.conftest import SCRIPTS, Run
from cli.script import play
from keyhouse.control.upstreams import row_of
from keyhouse.core.sealing import Sealed, unseal


def test_upstreams_and_models_are_added_changed_tried_and_removed(town: Town, run: Run) -> None:
    play(SCRIPTS / "upstreams.txt", lambda words: run(words, environment={"LOCAL_KEY": "sk-local"}))


def test_a_credential_is_read_from_a_file_or_from_standard_input(town: Town, run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n")
    create = ["upstreams", "create", "--base-url", "https://a.example/v1"]
    assert run([*create, "filed", "--api-key-file", "key"]).returncode == 0
    assert run([*create, "typed", "--api-key-stdin"], "sk-from-stdin\n").returncode == 0
    sealed = {row["name"]: row for row in town.rows("upstreams")}
    opened = {
        name: unseal(Sealed(row["credential_key_id"], row["credential"]), SEALING, row_of(row["id"]))
        for name, row in sealed.items()
    }
    assert opened == {"filed": "sk-from-file", "typed": "sk-from-stdin"}
    both = run([*create, "both", "--api-key-file", "key", "--api-key-stdin"], "x\n")
    assert (both.returncode, both.stdout) == (2, "")
