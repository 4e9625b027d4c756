"""The reader of `POST /v1/leaks`: what GitHub's secret scanning sends to those whose secrets it has found
(docs.github.com, secret scanning partner program).
"""

from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire import body as bodies

REPORTS_MAX: Final = 1_000
TEXT_CHARACTERS_MAX: Final = 500


class LeakReport(msgspec.Struct, frozen=True, gc=False):
    """One secret that somebody found, and where. Fields that are not known are left alone."""

    token: str
    type: str = ""
    url: str = ""
    source: str = ""

    def __repr__(self) -> str:
        return "LeakReport(...)"

    @property
    def where(self) -> dict[str, str]:
        """Where it was found, as far as it may be kept."""
        cut = TEXT_CHARACTERS_MAX
        return {"url": self.url[:cut], "source": self.source[:cut], "type": self.type[:cut]}


_DECODER: Final = msgspec.json.Decoder(tuple[LeakReport, ...])


def read_leaks(body: bytes) -> tuple[LeakReport, ...]:
    """Read a request's body. Raises Refusal."""
    reports = bodies.read_own(body, _DECODER)
    if len(reports) > REPORTS_MAX:
        raise Refusal(
            Code.PARAMETER_INVALID, f"There are {len(reports)} reports.", hint=f"Send at most {REPORTS_MAX} at once."
        )
    return reports
