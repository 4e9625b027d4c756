"""Query strings: lists in every form clients send them, numbers within their bounds.

A list is `x=a&x=b`, `x[]=a&x[]=b` or `x=a,b`, in any mixture. Parameters nobody knows are ignored.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from keyhouse.admin.door import Visit
from keyhouse.core.errors import Code, Refusal

PAGE_DEFAULT: Final = 20
PAGE_MAX: Final = 100
VALUES_MAX: Final = 1_000
"""The most parameters of one query, and the most values of one filter."""

_DIGITS_MAX: Final = 15
_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no"})


class Query:
    """A request's query, by name."""

    def __init__(self, text: bytes) -> None:
        try:
            pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, max_num_fields=VALUES_MAX, errors="strict")
        except ValueError:
            raise Refusal(
                Code.PARAMETER_INVALID,
                "The query string cannot be read.",
                hint=f"It is percent-encoded UTF-8 with at most {VALUES_MAX} parameters.",
            ) from None
        self._pairs: dict[str, list[str]] = {}
        for name, value in pairs:
            self._pairs.setdefault(name.removesuffix("[]"), []).append(value)

    def text(self, name: str) -> str | None:
        """A parameter given once; None if it is not given, or empty."""
        values = self._pairs.get(name, [])
        if len(values) > 1:
            raise _invalid(name, "is given more than once", "Give it once.")
        return values[0] or None if values else None

    def many(self, name: str) -> tuple[str, ...]:
        """A list, each value once, in the order given; empty if it is not given. One without values is refused."""
        found = [value.strip() for text in self._pairs.get(name, []) for value in text.split(",")]
        values = tuple(dict.fromkeys(value for value in found if value))
        if found and not values:
            raise _invalid(name, "is empty", "Name what it shall let through, or leave it out for everything.")
        if len(values) > VALUES_MAX:
            raise _invalid(name, f"has {len(values)} values", f"It may have at most {VALUES_MAX}.")
        return values

    def integer(self, name: str, minimum: int, maximum: int) -> int | None:
        """A whole number within these bounds; None if it is not given."""
        text = self.text(name)
        if text is None:
            return None
        digits = text.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > _DIGITS_MAX:
            raise _invalid(name, f"is {text[:60]!r}", "It is a whole number.")
        number = int(text)
        if not minimum <= number <= maximum:
            raise _invalid(name, f"is {number}", f"It may be from {minimum} to {maximum}.")
        return number

    def boolean(self, name: str) -> bool | None:
        """True or false; None if it is not given."""
        text = self.text(name)
        if text is None:
            return None
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise _invalid(name, f"is {text[:60]!r}", "It is true or false.")

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of these values."""
        text = self.text(name)
        if text is None:
            return default
        if text not in choices:
            raise _invalid(name, f"is {text[:60]!r}", f"It is one of {', '.join(choices)}.")
        return text

    def choices(self, name: str, choices: Sequence[str]) -> tuple[str, ...]:
        """A list of some of these values."""
        values = self.many(name)
        for value in values:
            if value not in choices:
                raise _invalid(name, f"has {value[:60]!r} in it", f"It may have {', '.join(choices)}.")
        return values

    def page_limit(self) -> int:
        """How many objects of a list are wanted. None at all is a fair question: OpenAI's own tests ask it."""
        limit = self.integer("limit", 0, PAGE_MAX)
        return PAGE_DEFAULT if limit is None else limit


def query_of(request: Visit) -> Query:
    """The request's query; raises Refusal(PARAMETER_INVALID)."""
    return Query(request.scope["query_string"])


def _invalid(name: str, what: str, hint: str) -> Refusal:
    return Refusal(Code.PARAMETER_INVALID, f"The parameter {name} {what}.", hint=hint, param=name)
