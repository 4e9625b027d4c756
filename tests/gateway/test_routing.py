"""The order in which upstreams are tried is decided by ranks, weights and a number, and by nothing else."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from given import FakeClock
from keyhouse.gateway.cool_down import CoolDowns, Failure
from keyhouse.gateway.routing import Deployment, Model, Routing, Upstream, in_order


def at(name: str, rank: int = 1, weight: int = 1) -> Deployment:
    return Deployment(Upstream(name, f"https://{name}.example/v1"), "m", rank=rank, weight=weight)


def names(ordered: Sequence[Deployment]) -> list[str]:
    return [deployment.upstream.name for deployment in ordered]


def test_of_one_rank_each_is_first_as_often_as_its_weight_says() -> None:
    deployments = [at("a", weight=5), at("b", weight=3), at("c", weight=2)]
    orders = [names(in_order(deployments, draw)) for draw in range(10 * 5 * 7 * 8)]
    firsts = Counter(order[0] for order in orders)
    assert {name: count / len(orders) for name, count in firsts.items()} == {"a": 0.5, "b": 0.3, "c": 0.2}
    after_a = Counter(order[1] for order in orders if order[0] == "a")
    assert after_a["b"] / after_a["c"] == pytest.approx(1.5, rel=0.01)


def test_ranks_are_tried_from_the_lowest_whatever_is_drawn() -> None:
    deployments = [at("last", 9), at("first", 1), at("middle", 2, weight=100)]
    assert {tuple(names(in_order(deployments, draw))) for draw in range(1_000)} == {("first", "middle", "last")}


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 1_000)), min_size=1, max_size=8),
    st.integers(0, 2**80 - 1),
    st.sets(st.integers(0, 7)),
)
def test_every_upstream_is_tried_once_and_those_that_cool_down_last(
    places: list[tuple[int, int]], draw: int, cooling: set[int]
) -> None:
    deployments = [at(str(number), rank, weight) for number, (rank, weight) in enumerate(places)]
    cools = {str(number) for number in cooling}
    ordered = in_order(deployments, draw, cools)
    assert sorted(names(ordered)) == sorted(names(deployments))
    kinds = [(one.upstream.name in cools, one.rank) for one in ordered]
    assert kinds == sorted(kinds)
    assert in_order(deployments, draw, cools) == ordered


def test_the_only_upstream_of_a_model_is_chosen_whatever_it_did() -> None:
    cool_downs = CoolDowns(FakeClock())
    routing = Routing({"m": Model("m", (at("a"),))}, cool_downs)
    cool_downs.failed("a", Failure.UNREACHABLE)
    assert names(routing.choose("m", b"x")) == ["a"]


def test_after_its_cool_down_one_call_tries_an_upstream_and_the_others_wait_for_how_that_ends() -> None:
    clock = FakeClock()
    cool_downs = CoolDowns(clock)
    routing = Routing({"m": Model("m", (at("a", 1), at("b", 2)))}, cool_downs)
    cool_downs.failed("a", Failure.UNREACHABLE)
    assert names(routing.choose("m", b"x")) == ["b", "a"]
    clock.turn(seconds=10)
    assert [names(routing.choose("m", b"x"))[0] for _ in range(3)] == ["a", "b", "b"]
    cool_downs.heard("a", 200, lambda _: None)
    assert names(routing.choose("m", b"x")) == ["a", "b"]


AZURE = Upstream("azure", "https://r.openai.azure.com/openai", api_version="2024-10-21")


@pytest.mark.parametrize(
    ("upstream", "path", "target"),
    [
        (Upstream("u", "https://api.openai.com/v1"), "/chat/completions", "/chat/completions"),
        (AZURE, "/chat/completions", "/deployments/our%2Fmini/chat/completions?api-version=2024-10-21"),
        (AZURE, "/embeddings", "/deployments/our%2Fmini/embeddings?api-version=2024-10-21"),
        (AZURE, "/responses", "/responses?api-version=2024-10-21"),
    ],
)
def test_azures_older_addresses_name_the_deployment_and_the_version(upstream: Upstream, path: str, target: str) -> None:
    assert Deployment(upstream, "our/mini").target(path) == target


def test_a_query_is_gone_on_with() -> None:
    assert AZURE.target("/responses/resp_1?stream=true") == "/responses/resp_1?stream=true&api-version=2024-10-21"
