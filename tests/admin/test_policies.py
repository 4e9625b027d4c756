"""The organization's policy over HTTP, and keys that break it."""

from admin.test_keys import KEYS, create
from admin.town import NOW, Town, refusal
from keyhouse.core.errors import Code


def test_a_policy_is_set_shown_and_enforced_and_what_breaks_it_is_shown(town: Town) -> None:
    nothing = town.ask("GET", "/policies").json()
    assert nothing == {
        "object": "organization.policies",
        "key_days_max": None,
        "key_days_default": None,
        "rotation_days": None,
        "key_makers": "members",
        "models": None,
        "key_limits": [],
    }
    older = create(town)
    body = {
        "key_days_max": 90,
        "models": ["tiny-1"],
        "key_limits": [{"unit": "usd", "window": "month", "amount": "5"}],
        "key_makers": "owners",
    }
    shown = town.ask("POST", "/policies", body=body).json()
    assert shown == town.ask("GET", "/policies").json()
    assert shown["key_limits"] == [
        {"unit": "usd", "window": "month", "amount": "5.00", "model": None, "refuse_when_short": False}
    ]
    made = create(town)
    assert (made["expires_at"], made["models"], made["policy_violations"]) == (NOW + 90 * 86_400, ["tiny-1"], [])
    assert [limit["amount"] for limit in made["limits"]] == ["5.00"]
    broken = town.ask("GET", f"{KEYS}/{older['id']}").json()["policy_violations"]
    assert ["90 days" in broken[0], "every model" in broken[1]] == [True, True]
    answer = town.ask("POST", KEYS, body={"name": "x", "models": ["big-1"]})
    assert refusal(answer) == (400, "models", Code.PARAMETER_INVALID)
    assert town.ask("POST", "/policies", body={"models": None, "key_limits": None}).json()["key_limits"] == []
    assert town.ask("GET", "/policies", key=town.stranger).json() == nothing


def test_what_makes_no_policy_is_refused_by_its_field(town: Town) -> None:
    for body, param, code in (
        ({"key_makers": "everyone"}, "key_makers", Code.PARAMETER_INVALID),
        ({"key_days_max": 0}, "key_days_max", Code.PARAMETER_INVALID),
        ({"key_limits": [{"unit": "usd", "window": "month", "amount": "-1"}]}, "key_limits[0].amount", None),
        ({"longest": 1}, "longest", Code.PARAMETER_UNKNOWN),
    ):
        status, named, reason = refusal(town.ask("POST", "/policies", body=body))
        assert (status, named) == (400, param)
        assert code in (None, reason)
