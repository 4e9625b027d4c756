"""What a key breaks of a policy, said plainly."""

from typing import Any

import msgspec
import pytest

from given import NOON
from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.core.permissions import ALL
from keyhouse.core.policy import DAY_MS, NONE, Policy, rotation_due, violations
from keyhouse.core.secret import Kind

KEY = ApiKey(
    id="key_1",
    kind=Kind.USER,
    organization_id="org-1",
    project_id="proj_1",
    owner_id="user-1",
    name="app",
    permissions=ALL,
    models=("a", "b"),
    endpoints=None,
    ip_allowlist=(),
    created_at_ms=NOON,
    created_by="user-1",
    expires_at_ms=NOON + 30 * DAY_MS,
    disabled_at_ms=None,
    disabled_by=None,
    revoked_at_ms=None,
    revoked_by=None,
    last_used_at_ms=None,
    secrets=(SecretVersion(2, "x9Fa", NOON, "user-1", None), SecretVersion(1, "x9Fb", 0, "user-1", NOON)),
)


def a_key(**changes: Any) -> ApiKey:
    return msgspec.structs.replace(KEY, **changes)


@pytest.mark.parametrize(
    ("key", "policy", "word"),
    [
        (KEY, NONE, None),
        (KEY, Policy(key_days_max=30, models=("a", "b", "c"), rotation_days=30), None),
        (KEY, Policy(key_days_max=29), "29 days"),
        (a_key(expires_at_ms=None), Policy(key_days_max=3_000), "lives longer"),
        (KEY, Policy(models=("a",)), "use b,"),
        (a_key(models=None), Policy(models=("a",)), "every model"),
        (a_key(revoked_at_ms=NOON, models=None, expires_at_ms=None), Policy(key_days_max=1, models=("a",)), None),
    ],
)
def test_what_a_key_breaks_of_a_policy(key: ApiKey, policy: Policy, word: str | None) -> None:
    found = violations(key, policy, NOON)
    assert [word in sentence for sentence in found if word] == ([True] if word else [])
    assert bool(found) is bool(word)


def test_a_secret_is_due_to_be_rotated_once_it_is_so_old_and_not_a_millisecond_before() -> None:
    policy = Policy(rotation_days=1)
    assert not rotation_due(KEY, policy, NOON + DAY_MS - 1)
    assert rotation_due(KEY, policy, NOON + DAY_MS)
    assert "older than the day" in violations(KEY, policy, NOON + DAY_MS)[0]
    assert not rotation_due(KEY, NONE, NOON + 9_999 * DAY_MS)
