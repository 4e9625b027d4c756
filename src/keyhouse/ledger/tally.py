"""What the queue into the books has done since the start, in plain integers: counting must cost calls nothing."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

from keyhouse.core.call import Closing
from keyhouse.core.decide import Admitted, Closed, Operation, Refused, Verdict

COMMIT_BOUNDS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the buckets in `commits`; a last bucket takes the rest."""

ADMITTED: Final = "admitted"


class Tally:
    """`verdicts` counts reservations by `admitted` or the refusal's code, `closed` calls by the state they closed in.

    `failed_batches` were not committed, `lost_closings` given up for good.
    """

    def __init__(self) -> None:
        self.batches = 0
        self.operations = 0
        self.failed_batches = 0
        self.lost_closings = 0
        self.commit_seconds = 0.0
        self.commits = [0] * (len(COMMIT_BOUNDS_SECONDS) + 1)
        self.verdicts: dict[str, int] = {}
        self.closed: dict[str, int] = {}

    def committed(self, operations: Iterable[Operation], verdicts: Sequence[Verdict], seconds: float) -> None:
        """Count a batch that is durable, and how long that took."""
        self.batches += 1
        self.operations += len(verdicts)
        self.commit_seconds += seconds
        self.commits[bisect_left(COMMIT_BOUNDS_SECONDS, seconds)] += 1
        for operation, verdict in zip(operations, verdicts, strict=True):
            if isinstance(verdict, Admitted):
                self.verdicts[ADMITTED] = self.verdicts.get(ADMITTED, 0) + 1
            elif isinstance(verdict, Refused):
                self.verdicts[verdict.code] = self.verdicts.get(verdict.code, 0) + 1
            elif isinstance(verdict, Closed) and isinstance(operation, Closing):
                self.closed[operation.state] = self.closed.get(operation.state, 0) + 1
