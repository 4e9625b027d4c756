"""A plain model of the books: no counters, only calls. What a limit has left is added up anew whenever it is asked."""

from dataclasses import dataclass, field
from datetime import tzinfo
from zoneinfo import ZoneInfo

from keyhouse.core.call import State
from keyhouse.core.limit import ScopeType, Unit, Window, span_at

ZONE: tzinfo = ZoneInfo("Europe/Berlin")
SCOPES = {
    ScopeType.KEY: "key_1",
    ScopeType.USER: "user-1",
    ScopeType.PROJECT: "proj_1",
    ScopeType.ORGANIZATION: "org-1",
}


@dataclass(frozen=True)
class Sizes:
    """What a call needs, or used, in each unit; `estimate` is what limits in tokens a minute reserve."""

    nano_usd: int
    tokens: int
    estimate: int
    images: int = 0


@dataclass
class ModelLimit:
    """A limit in force."""

    scope: ScopeType
    unit: Unit
    window: Window
    model: str | None
    amount: int


@dataclass
class ModelCall:
    """A call that was admitted. `marks` are the periods it counts on, by limit; `used` is None while it runs, and where
    nobody knows. `is_taken_back`: it was charged what it held, and then released after all.
    """

    need: Sizes
    marks: dict[str, str]
    kinds: dict[str, tuple[Unit, Window]]
    state: State = State.HELD
    used: Sizes | None = None
    is_corrected: bool = False
    is_taken_back: bool = False


@dataclass
class Model:
    """All calls there ever were, and the limits in force."""

    limits: dict[str, ModelLimit] = field(default_factory=dict)
    calls: dict[str, ModelCall] = field(default_factory=dict)

    def reserve(self, call_id: str, model: str, need: Sizes, now_ms: int) -> bool:
        """Whether the call is admitted: it must fit every limit on its way."""
        mine = {name: limit for name, limit in self.limits.items() if limit.model in (None, model)}
        marks = {name: span_at(limit.window, now_ms, ZONE).key for name, limit in mine.items()}
        for name, limit in mine.items():
            settled, reserved = self.counters(name, marks[name])
            more = held(limit.unit, limit.window, need)
            # Who needs nothing of what is used up is not stopped by it.
            if more and settled + reserved + more > limit.amount:
                return False
        kinds = {name: (limit.unit, limit.window) for name, limit in mine.items()}
        self.calls[call_id] = ModelCall(need, marks, kinds)
        return True

    def close(self, call_id: str, state: State, used: Sizes) -> str:
        """What becomes of a closing: `closed`, `adjusted` or `ignored`."""
        call = self.calls.get(call_id)
        if call is None or call.state in (State.SETTLED, State.RELEASED) or call.is_corrected:
            return "ignored"
        if call.state is State.ORPHANED:
            call.is_corrected = True
            call.is_taken_back = state is State.RELEASED
            call.used = used
            return "adjusted"
        call.state, call.used = state, used
        return "closed"

    def crash(self) -> int:
        """Every running call is charged what it holds; how many there were."""
        running = [call for call in self.calls.values() if call.state is State.HELD]
        for call in running:
            call.state = State.ORPHANED
        return len(running)

    def counters(self, limit_id: str, mark: str) -> tuple[int, int]:
        """What is settled and reserved on one period of a limit."""
        settled = reserved = 0
        for call in self.calls.values():
            if call.marks.get(limit_id) == mark:
                unit, window = call.kinds[limit_id]
                if call.state is State.HELD:
                    reserved += held(unit, window, call.need)
                else:
                    settled += charged(unit, window, call)
        return settled, reserved


def held(unit: Unit, window: Window, need: Sizes) -> int:
    """What a running call holds."""
    if unit is Unit.TOKENS:
        return need.estimate if window is Window.MINUTE else need.tokens
    return {Unit.USD: need.nano_usd, Unit.IMAGES: need.images}.get(unit, 1)


def charged(unit: Unit, window: Window, call: ModelCall) -> int:
    """What a call counts that has ended."""
    if call.state is State.RELEASED or unit is Unit.CONCURRENCY:
        return 0
    was_held = held(unit, window, call.need)
    if call.used is None:
        return was_held
    truth = {
        Unit.USD: call.used.nano_usd,
        Unit.TOKENS: call.used.tokens,
        Unit.IMAGES: call.used.images,
        Unit.REQUESTS: 0 if call.is_taken_back else 1,
    }[unit]
    return min(was_held, truth) if call.state is State.ORPHANED else truth
