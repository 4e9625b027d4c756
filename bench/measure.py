"""Rounds of load on each target in turn, so that whatever else the machine does hits all of them alike."""

from collections.abc import Callable
from statistics import median
from typing import Final

import msgspec

from bench.load import Load, drive
from bench.servers import Field
from bench.target import LOAD_CORE, Target

CLIENTS: Final = 64
WARM_UP: Final = 300
REQUESTS_MAX: Final = 400_000
Say = Callable[[str], None]


class Result(msgspec.Struct, frozen=True):
    """Medians over the rounds of one target and one kind of call. `cpu_us` is the server's processor time a call,
    None for the mock itself. Latencies are those of one client alone.
    """

    target: str
    kind: str
    rates: tuple[float, ...]
    cpu_us: float | None
    loaded_p50_ms: float
    loaded_p99_ms: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers a second with 64 clients."""
        return median(self.rates)

    @property
    def busy(self) -> float | None:
        """The share of its core that the server used. Near 1 it was the bottleneck; else something else was."""
        return None if self.cpu_us is None else self.cpu_us * self.rate / 1e6


class Bench:
    """Measures every target of a field; counts what Keyhouse has answered."""

    def __init__(self, field: Field, *, rounds: int, seconds: float, say: Say) -> None:
        self._field = field
        self._rounds = rounds
        self._seconds = seconds
        self._say = say
        self.keyhouse_answers = 0

    def run(self, kind: str) -> list[Result]:
        """All rounds of one kind of call, interleaved: A B C A B C."""
        targets = [target for target in self._field.targets if kind in target.urls]
        requests = {target.name: self._enough(target, kind) for target in targets}
        loaded: dict[str, list[Load]] = {target.name: [] for target in targets}
        alone: dict[str, list[Load]] = {target.name: [] for target in targets}
        used: dict[str, list[float]] = {target.name: [] for target in targets}
        for number in range(self._rounds):
            self._say(f"{kind}, round {number + 1} of {self._rounds}")
            for target in targets:
                before = target.process.cpu_seconds if target.process else 0.0
                load = self._drive(target, kind, CLIENTS, requests[target.name])
                loaded[target.name].append(load)
                if target.process:
                    used[target.name].append((target.process.cpu_seconds - before) / load.answers * 1e6)
            for target in targets:
                alone[target.name].append(self._drive(target, kind, 1, max(200, requests[target.name] // 60)))
        return [_result(target.name, kind, loaded, alone, used) for target in targets]

    def _enough(self, target: Target, kind: str) -> int:
        """Warm up, and find how many calls take about the seconds of a round."""
        first = self._drive(target, kind, CLIENTS, WARM_UP)
        trial = self._drive(target, kind, CLIENTS, max(WARM_UP, min(WARM_UP * 5, int(first.rate * self._seconds))))
        return max(WARM_UP, min(REQUESTS_MAX, int(trial.rate * self._seconds)))

    def _drive(self, target: Target, kind: str, clients: int, requests: int) -> Load:
        load = drive(
            LOAD_CORE,
            target.urls[kind],
            self._field.bodies[kind],
            self._field.headers | target.more.get(kind, {}),
            clients=clients,
            requests=requests,
        )
        if target.name == "keyhouse":
            self.keyhouse_answers += load.answers
        return load


def _result(
    name: str, kind: str, loaded: dict[str, list[Load]], alone: dict[str, list[Load]], used: dict[str, list[float]]
) -> Result:
    return Result(
        target=name,
        kind=kind,
        rates=tuple(load.rate for load in loaded[name]),
        cpu_us=median(used[name]) if used[name] else None,
        loaded_p50_ms=median(load.percentile_ms(0.5) for load in loaded[name]),
        loaded_p99_ms=median(load.percentile_ms(0.99) for load in loaded[name]),
        p50_ms=median(load.percentile_ms(0.5) for load in alone[name]),
        p99_ms=median(load.percentile_ms(0.99) for load in alone[name]),
    )
