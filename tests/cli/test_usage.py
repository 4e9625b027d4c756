"""`keyhouse usage` for programs."""

import json

from admin.town import Town
from cli.conftest import SCRIPTS, Run, used
from cli.script import play


def test_usage_as_json_is_all_pages_in_one(town: Town, run: Run) -> None:
    used(town)
    ended = run(["usage", "--since", "2026-09-01", "--until", "2026-11-25", "--json"])
    page = json.loads(ended.stdout)
    assert len(page["data"]) == 85
    assert sum(result["num_model_requests"] for bucket in page["data"] for result in bucket["results"]) == 4
    assert page["has_more"] is False


def test_usage_and_costs_show_exactly_what_the_rollups_hold(town: Town, run: Run) -> None:
    used(town)
    play(SCRIPTS / "usage.txt", run)
