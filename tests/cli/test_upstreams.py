"""`keyhouse upstreams` and `keyhouse models`, as their script tells it; a credential comes from anywhere but argv."""

import json
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


def test_a_model_gets_every_field_of_the_api_from_a_file_or_from_standard_input(
    town: Town, run: Run, tmp_path: Path
) -> None:
    fields = {
        "upstreams": [{"name": "fixed", "rank": 2, "upstream_model": "painter", "image_usd": "0.05"}],
        "rates": [{"tier": "flex", "input_usd_per_million": "0.50", "output_usd_per_million": "1.00"}],
        "input_usd_per_million": "1.00",
        "output_usd_per_million": "2.00",
        "audio_usd_per_minute": "0.006",
    }
    (tmp_path / "fields.json").write_text(json.dumps(fields))
    create = ["models", "create", "painter-1", "--fields", "fields.json", "--max-output-tokens", "9", "--json"]
    ended = run(create)
    assert ended.returncode == 0, ended.stderr
    made = json.loads(ended.stdout)
    assert (made["max_output_tokens"], made["audio_usd_per_minute"]) == (9, "0.006")
    assert made["rates"][0]["tier"] == "flex"
    assert (made["upstreams"][0]["rank"], made["upstreams"][0]["image_usd"]) == (2, "0.05")
    changed = run(["models", "update", "painter-1", "--fields", "-", "--json"], '{"audio_usd_per_minute": "0.007"}')
    assert changed.returncode == 0, changed.stderr
    assert json.loads(changed.stdout)["audio_usd_per_minute"] == "0.007"
    for given in ("[]", "{", '"x"'):
        wrong = run(["models", "update", "painter-1", "--fields", "-"], given)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert "expected a JSON object in -" in wrong.stderr
    misspelt = run(["models", "update", "painter-1", "--fields", "-"], '{"image_eur": "1"}')
    assert (misspelt.returncode, "image_eur" in misspelt.stderr) == (2, True)
