"""The shapes of the API that no route alone can show."""

from hypothesis import given
from hypothesis import strategies as st

from keyhouse.admin import shapes
from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.core.permissions import ALL
from keyhouse.core.secret import Kind
from keyhouse.reporting.listings import OwnedKey


@given(st.lists(st.text(min_size=1), unique=True, max_size=9), st.integers(1, 4))
def test_pages_one_behind_the_other_hold_every_row_once(ids: list[str], limit: int) -> None:
    seen: list[str] = []
    after, has_more = None, True
    while has_more:
        rows, has_more = shapes.page_behind(ids, str, after, limit)
        assert not has_more or len(rows) == limit
        seen += rows
        after = seen[-1] if seen else None
    assert seen == ids


def test_nothing_stands_behind_what_is_not_there_and_no_rows_are_no_more() -> None:
    assert shapes.page_behind(["a", "b"], str, "c", 1) == ([], False)
    assert shapes.page_behind(["a", "b"], str, None, 0) == ([], False)


def test_a_service_accounts_key_says_so() -> None:
    """OpenAI's clients tell owners apart by `type`, and read the object of that name."""
    secret = SecretVersion(1, "wxyz", 1_000, "user-1", None)
    key = ApiKey(
        id="key_AAAAAAAAAA",
        kind=Kind.SERVICE_ACCOUNT,
        organization_id="org-1",
        project_id="proj_1",
        owner_id="svc_acct_1",
        name="bot",
        permissions=ALL,
        models=None,
        endpoints=None,
        ip_allowlist=(),
        created_at_ms=1_999,
        created_by="user-1",
        expires_at_ms=None,
        disabled_at_ms=None,
        disabled_by=None,
        revoked_at_ms=None,
        revoked_by=None,
        last_used_at_ms=None,
        secrets=(secret,),
    )
    shown = shapes.project_key(OwnedKey(key, None, is_owner_active=True), 5_000)
    assert shown["owner"]["type"] == "service_account"
    assert shown["owner"]["service_account"]["id"] == "svc_acct_1"
    assert shown["redacted_value"].startswith("sk-svcacct-kh_AAAA")
    assert shown["created_at"] == 1
