"""What the key inspector found, in words."""

from zoneinfo import ZoneInfo

import msgspec
import pytest

from given import NOON
from keyhouse.console.help_view import answers
from keyhouse.console.wording import Times
from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.core.permissions import ALL
from keyhouse.core.secret import Kind
from keyhouse.reporting.inspections import Finding, Inspected, Inspection, Moment, What

HOUR = 3_600_000
TIMES = Times(ZoneInfo("Europe/Berlin"), NOON)
NEW = SecretVersion(2, "c7Rd", NOON - 30 * HOUR, "user-1", None)
OLD = SecretVersion(1, "4QzT", NOON - 900 * HOUR, "user-1", NOON - 6 * HOUR)
KEY = ApiKey(
    id="key_Lp81000000",
    kind=Kind.SERVICE_ACCOUNT,
    organization_id="org-1",
    project_id="proj_1",
    owner_id="svc_1",
    name="search-embeddings",
    permissions=ALL,
    models=None,
    endpoints=None,
    ip_allowlist=(),
    created_at_ms=NOON - 900 * HOUR,
    created_by="user-1",
    expires_at_ms=None,
    disabled_at_ms=None,
    disabled_by=None,
    revoked_at_ms=None,
    revoked_by=None,
    last_used_at_ms=None,
    secrets=(NEW, OLD),
)


def inspected(secret: SecretVersion, *story: Moment, **changes: object) -> Inspection:
    key = msgspec.structs.replace(KEY, **changes)
    return Inspection(Finding.KEYS, "sk-svcacct-kh_Lp81...4QzT", (Inspected(key, secret, "indexer", "Search", story),))


def test_an_old_secret_says_when_it_was_replaced_and_which_to_use() -> None:
    (answer,) = answers(inspected(OLD), TIMES)
    assert answer.title == "This is an old secret of search-embeddings"
    assert answer.sentence == (
        "It was replaced yesterday at 07:00 and ended today at 07:00. "
        "The key itself is alive: use its new secret, …c7Rd."
    )
    assert (answer.look, answer.may_rotate) == ("old", True)


def test_a_current_secret_says_whose_it_is_and_offers_no_other() -> None:
    (answer,) = answers(inspected(NEW), TIMES)
    assert answer.sentence == "It works. The key belongs to service account indexer in project Search."
    assert (answer.look, answer.may_rotate) == ("active", False)


@pytest.mark.parametrize(
    ("changes", "look", "title", "may_rotate"),
    [
        ({"revoked_at_ms": NOON - HOUR, "disabled_at_ms": 1}, "ended", "search-embeddings was revoked", False),
        ({"expires_at_ms": NOON - HOUR}, "ended", "search-embeddings has expired", False),
        ({"disabled_at_ms": NOON - HOUR}, "disabled", "search-embeddings is disabled", True),
    ],
)
def test_what_is_final_is_said_first(changes: dict[str, object], look: str, title: str, may_rotate: bool) -> None:
    (answer,) = answers(inspected(NEW, **changes), TIMES)
    assert (answer.look, answer.title, answer.may_rotate) == (look, title, may_rotate)


def test_each_step_of_a_story_has_its_words() -> None:
    told = [Moment(what, NOON - 5 * HOUR, "Ada", 2, "10.20.7.31", "openai-python 2.8.1") for what in What]
    (answer,) = answers(inspected(OLD, *told), TIMES)
    assert [(step.title, step.second) for step in answer.steps] == [
        ("Key created by Ada", "for service account indexer in project Search"),
        ("Rotated by Ada", "new secret …c7Rd; this one stayed valid for 1 d"),
        ("Last call with this secret", "from 10.20.7.31, openai-python 2.8.1"),
        ("Disabled by Ada", "calls are refused until it is enabled"),
        ("This secret ended", "calls with it are refused since"),
        ("Expired", "calls are refused since"),
        ("Revoked by Ada", "calls are refused since, for good"),
        ("Key in use with its new secret", "from 10.20.7.31, openai-python 2.8.1"),
    ]
    assert [step.tone for step in answer.steps] == ["", "", "", "", "ended", "ended", "ended", "live"]


@pytest.mark.parametrize("finding", [one for one in Finding if one is not Finding.KEYS])
def test_what_is_not_a_key_here_is_answered_all_the_same(finding: Finding) -> None:
    (answer,) = answers(Inspection(finding, "..."), TIMES)
    assert answer.look == "lost"
    assert answer.sentence
    assert not answer.key_id
