"""Three witnesses of what happened, and what they must not say: the upstream's record, the ledger's rows, clients."""

from collections import Counter
from pathlib import Path

from e2e.processes import House, Row, eventually
from keyhouse.ledger.auditor import audit
from keyhouse.store.opening import address_of, look
from postgres import in_thread


class Witnesses:
    """What the upstream saw, what the ledger has, and what clients were answered.

    `answered` are the ids of answers that clients have whole, `caps` how many requests each key may make in all.
    """

    def __init__(self, record: Path, house: House) -> None:
        self._record = record
        self._house = house
        self.answered: set[str] = set()
        self.caps: dict[str, int] = {}

    @property
    def seen(self) -> list[str]:
        """The ids of the calls that have reached the upstream, in their order."""
        return [line.removeprefix("seen ") for line in self._lines() if line.startswith("seen ")]

    def most_open(self, group: str) -> int:
        """How many calls of this group were open at the upstream at once, at most."""
        counts = [line.split() for line in self._lines() if line.startswith("open ")]
        return max((int(words[1]) for words in counts if words[2:] == [group]), default=0)

    def rows(self) -> dict[str, Row]:
        """The ledger's rows by id."""
        return {row["id"]: row for row in self._house.rows("SELECT * FROM calls")}

    def held(self) -> list[str]:
        """The ids of calls that are held."""
        return [row["id"] for row in self._house.rows("SELECT id FROM calls WHERE state = 'held'")]

    def wait_until_none_is_held(self, seconds: float = 10.0) -> None:
        """Wait until every call is closed; `problems` tells of one that does not come to its end."""
        try:
            eventually(lambda: not self.held(), "held", seconds)
        except AssertionError:
            return

    def problems(self) -> list[str]:
        """What must not be while no call runs, in words."""
        return [*self.differences(), *self.wrong_books()]

    def differences(self) -> list[str]:
        """Where the three disagree."""
        # The record first: what is in it then must be in the rows.
        seen = self.seen
        rows = self.rows()
        found = [f"twice: the upstream saw {call} {times} times" for call, times in Counter(seen).items() if times > 1]
        found += [f"unknown: the upstream saw {call}, which has no row" for call in seen if call not in rows]
        found += [f"held: {call} is held, and nobody is there to close it" for call in rows if is_held(rows[call])]
        found += [
            f"free: the upstream saw {call}, which was released"
            for call in seen
            if call in rows and rows[call]["state"] == "released"
        ]
        found += [f"lost: a client has the answer of {call}, which has no row" for call in self.answered - rows.keys()]
        for key_id, cap in self.caps.items():
            count = sum(call in rows and rows[call]["key_id"] == key_id for call in set(seen))
            if count > cap:
                found.append(f"overspent: {count} calls of a key that may make {cap} reached the upstream")
        return found

    def wrong_books(self) -> list[str]:
        """What `keyhouse ledger verify` finds wrong, asked without its process; it may be asked at any time."""
        url = self._house.database or address_of(self._house.data)
        report = in_thread(lambda: look(url, audit))
        return [f"books: {line}" for line in report.disagreements]

    def _lines(self) -> list[str]:
        return self._record.read_text(encoding="utf-8").splitlines() if self._record.exists() else []


def is_held(row: Row) -> bool:
    """Whether a call's row is not closed."""
    return bool(row["state"] == "held")
