"""The house stays tidy: what a style page asks for and a linter does not see."""

import ast
import re
from typing import Final

import pytest

from house.source import ROOT, SOURCE, files, functions, name, python_files, tree
from keyhouse.core.secret import parse

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60

LONG_FUNCTIONS: Final = frozenset(
    {
        "src/keyhouse/store/migrations/versions/0001_pre_first_tables.py:upgrade",  # every table, once
        "src/keyhouse/wire/errors.py:form",  # the one table of all codes
    }
)
"""Functions that are longer all the same. The list may only become shorter."""

BANNED_NAMES: Final = frozenset(
    {"utils", "helpers", "common", "misc", "base", "manager", "handler", "service", "models", "types"}
)
BROAD_EXCEPTS: Final = frozenset(
    {
        "src/keyhouse/gateway/asgi.py",  # the one place that turns errors into answers
        "src/keyhouse/ledger/commit.py",  # callers are waiting, and closings must not be lost
        "src/keyhouse/ledger/instances.py",  # a heart that stops buries its gateway
        "src/keyhouse/ledger/rounds.py",  # whatever it was, the next round tries again
        "src/keyhouse/store/sqlite.py",  # handed to whoever waits for the job; a lock let go of
    }
)
"""Where everything may be caught."""

WITHOUT_MIRROR: Final = frozenset(
    {
        "app.py",  # wiring: every e2e test
        "cli/key_uses.py",  # tests/cli/test_keys.py
        "cli/model_permissions.py",  # tests/cli/test_rate_limits.py
        "cli/project_people.py",  # tests/cli/test_groups.py, tests/cli/test_roles.py
        "cli/ledger.py",  # e2e
        "core/call.py",  # names and values only
        "core/children.py",  # tests/gateway/test_children.py
        "core/clock.py",
        "core/errors.py",
        "core/rollup.py",
        "demo/answers.py",  # tests/demo/test_seed.py
        "demo/crowd.py",  # the same
        "demo/keys.py",  # the same
        "demo/names.py",  # names only
        "demo/town.py",  # tests/demo/test_seed.py
        "store/bulk.py",  # the same
        "store/fold_parts.py",  # tests/ledger/test_folding.py
        "store/folding.py",  # the same
        "store/engine.py",  # the port; its engines have tests
        "store/rollup_tables.py",  # tables; tests/reporting, tests/ledger
        "store/metadata.py",  # one name
        "store/schema_admin.py",
        "store/model_permissions.py",  # tests/admin/test_model_permissions.py
        "store/spend_alerts.py",  # tests/control/test_spend_alerts.py
        "store/schema.py",  # tables; every store test
        "store/schema_keys.py",
        "store/schema_people.py",  # the same
        "reporting/people.py",  # tests/admin/test_users.py
        "reporting/roles.py",  # tests/admin/test_roles.py, tests/admin/test_assignments.py
        "reporting/groups.py",  # tests/admin/test_groups.py
        "store/assignments.py",  # tests/control/test_assignments.py, on both engines
        "store/groups.py",  # tests/control/test_groups.py, on both engines
        "store/roles.py",  # tests/control/test_roles.py, on both engines
        "store/migrations/env.py",
        "admin/audit_shapes.py",  # tests/admin/test_audit.py
        "admin/buckets.py",  # tests/admin/test_usage.py
        "admin/office.py",  # a dataclass; every admin test
        "console/numbers.py",  # tests/console/test_usage.py, test_costs.py, test_performance.py
        "console/member_page.py",  # tests/console/test_member_changes.py
        "console/project_page.py",  # tests/console/test_projects.py, tests/console/test_project_roles.py
        "console/settings.py",  # tests/console/test_organization.py, tests/console/test_own_account.py
        "console/plots.py",  # structs; every view's tests
        "console/playground.py",  # tests/e2e/test_console_pages.py
        "console/toasts.py",  # tests/console/test_key_changes.py
        "control/authority.py",  # tests/admin/test_policy.py and every verb's tests
        "control/model_permissions.py",  # tests/admin/test_model_permissions.py
        "control/rate_limits.py",  # tests/admin/test_rate_limits.py
        "control/leaks.py",  # tests/gateway/test_leaks.py
        "control/key_rules.py",  # tests/control/test_keys.py
        "control/children.py",  # tests/gateway/test_children.py
        "control/issuing.py",  # tests/control/test_keys.py
        "core/key.py",  # tests/core/test_decide.py, tests/control/test_keys.py
        "core/keyring.py",  # tests/store/test_master_key.py
        "core/permissions.py",  # tests/control, tests/admin
        "gateway/client_socket.py",  # tests/gateway/test_realtime.py, tests/gateway/test_bridge.py
        "gateway/sockets.py",  # tests/gateway/test_realtime.py
        "gateway/turns.py",  # tests/gateway/test_bridge.py
        "gateway/upstream_socket.py",  # tests/gateway/test_bridge.py
        "gateway/answer.py",  # tests/gateway/test_upstream.py
        "gateway/asgi.py",  # e2e and faults
        "gateway/house.py",  # tests/gateway/test_call.py
        "wire/leaks.py",  # tests/gateway/test_leaks.py
        "gateway/ports.py",  # a port
        "gateway/described.py",  # tests/wire/test_openapi.py, tests/e2e/test_admin_api.py
        "gateway/counting.py",  # tests/gateway/test_anthropic.py, tests/gateway/test_stored.py
        "gateway/listing.py",  # tests/gateway/test_keeping.py
        "identity/guessable.py",  # tests/identity/test_passwords.py
        "cli/served_models.py",  # tests/cli/test_upstreams.py
        "control/served_models.py",  # tests/control/test_upstreams.py, tests/admin/test_served_models.py
        "gateway/probing.py",  # tests/admin/test_upstreams.py
        "reporting/catalog.py",  # tests/admin/test_upstreams.py, tests/admin/test_served_models.py
        "ledger/auditor.py",  # tests/ledger/test_book.py
        "ledger/known.py",  # tests/ledger/test_watch.py
        "ledger/orphans.py",  # tests/ledger/test_book.py
        "ledger/tally.py",  # tests/test_metrics.py
        "wire/children.py",  # tests/gateway/test_children.py
        "wire/body.py",  # every reader's tests
        "wire/meter.py",  # every meter's tests
        "reporting/spend_alerts.py",  # tests/admin/test_spend_alerts.py
        "reporting/audit.py",  # tests/admin/test_audit.py
        "store/audit.py",  # tests/store/test_audit_chains.py
        "store/books.py",  # tests/ledger
        "store/books_postgres.py",
        "store/books_sqlite.py",
        "store/installation.py",  # tests/store/test_master_key.py
        "store/pruning.py",  # tests/ledger/test_housekeeping.py
        "store/watch.py",  # tests/ledger/test_watch.py
        "store/member_pages.py",  # tests/reporting/test_member_pages.py
        "store/project_pages.py",  # tests/console/test_projects.py
        "reporting/project_pages.py",  # the same
        "store/limit_pages.py",  # tests/reporting/test_limit_pages.py
        "store/prices.py",  # tests/test_catalog.py
        "store/projects.py",  # e2e and faults
        "store/rollups.py",  # tests/reporting/test_usage.py
        "store/health.py",  # tests/cli/test_checkups.py
        "store/notices.py",  # tests/control/test_notices.py
        "store/policies.py",  # tests/control/test_policies.py
        "store/repeats.py",  # tests/control/test_repeats.py
        "store/sessions.py",  # e2e and faults
    }
)
"""Source files that need no test file of the same name."""

PATCHES: Final = frozenset({"setattr", "delattr", "patch"})
"""How pytest's monkeypatch and unittest's mock change what is there."""

TYPE_IGNORE: Final = re.compile(r"#\s*type:\s*ignore(?!\[)")
SECRET: Final = re.compile(r"sk-(?:svcacct-|admin-)?kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}")


def test_no_file_is_longer_than_400_lines() -> None:
    long = {name(path): count for path in python_files() if (count := len(path.read_bytes().splitlines())) > 400}
    assert long == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = set()
    for path in python_files():
        for called, node in functions(path):
            if (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_MAX:
                long.add(called)
    assert long <= LONG_FUNCTIONS
    assert long >= LONG_FUNCTIONS, "shorter now: take them off the list"


def test_every_file_says_what_it_is_for() -> None:
    silent = [name(path) for path in python_files() if path.read_bytes().strip() and not ast.get_docstring(tree(path))]
    assert silent == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    parts = {name(path): {*path.relative_to(ROOT).parts[:-1], path.stem} for path in python_files()}
    assert {called for called, words in parts.items() if words & BANNED_NAMES} == set()


def test_everything_is_caught_only_where_it_must_be() -> None:
    found = set()
    for path in python_files():
        if not path.is_relative_to(SOURCE):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler) and is_broad(node) and not reraises(node):
                found.add(name(path))
    assert found <= BROAD_EXCEPTS


def is_broad(node: ast.ExceptHandler) -> bool:
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(
        one is None or (isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"}) for one in caught
    )


def reraises(node: ast.ExceptHandler) -> bool:
    """Whether it only cleans up: the last thing it does is `raise`."""
    last = node.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_no_test_changes_the_program_from_outside() -> None:
    """What must be another thing in a test is handed in, as it would be by whoever calls."""
    bent = [
        f"{name(path)}:{node.lineno}"
        for path in python_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in PATCHES
    ]
    assert bent == []


def test_every_ignored_type_error_names_its_code() -> None:
    assert [name(path) for path in python_files() if TYPE_IGNORE.search(path.read_text(encoding="utf-8"))] == []


def test_no_whole_secret_is_in_the_tree() -> None:
    """Examples are cut or have a wrong checksum; one that parses would be a credential."""
    found = []
    for path in files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [name(path) for match in SECRET.finditer(text) if parse(match[0])]
    assert found == []


@pytest.mark.parametrize("room", sorted(path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()))
def test_every_source_file_has_a_test_file_of_its_name(room: str) -> None:
    missing = []
    for path in sorted((SOURCE / room).rglob("*.py")):
        inside = path.relative_to(SOURCE).as_posix()
        if path.name == "__init__.py" or "/versions/" in inside or inside in WITHOUT_MIRROR:
            continue
        if not (ROOT / "tests" / room / f"test_{path.stem}.py").exists():
            missing.append(inside)
    assert missing == []


def test_the_list_of_files_without_a_test_names_only_files_that_exist() -> None:
    assert {inside for inside in WITHOUT_MIRROR if not (SOURCE / inside).exists()} == set()
