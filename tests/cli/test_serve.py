"""How many clients may be connected follows from how many files the system lets a process open."""

import resource

import pytest

from keyhouse.cli.serve import CONNECTIONS_MAX, connections_max, raise_file_limit


@pytest.mark.parametrize(
    ("files", "connections"),
    [(20_000, 9_872), (1_048_576, CONNECTIONS_MAX), (resource.RLIM_INFINITY, CONNECTIONS_MAX), (100, 1)],
)
def test_each_client_may_need_two_files(files: int, connections: int) -> None:
    assert connections_max(files) == connections


def test_the_limit_of_open_files_is_raised_to_what_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1_000), hard))
    try:
        assert raise_file_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
