"""Lists of what an upstream keeps: a project's own, newest first.

The upstream's own lists show the objects of all projects, so they are not asked for: the ids come from the books, and
each object is then asked of the upstream that keeps it. What the upstream has no more is forgotten.
"""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.gateway.house import House
from keyhouse.gateway.passing import broken, read_whole, without_secret
from keyhouse.gateway.request import Request
from keyhouse.store.objects import Object

PAGE_MAX: Final = 100
PAGE: Final = 20
AT_ONCE: Final = 8
"""How many objects are asked for at a time."""

_ROUNDS_MAX: Final = 20
_GONE: Final = frozenset({404, 410})
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def list_own(request: Request, house: House, credential: Credential, *, kind: str, path: str) -> None:
    """Answer with a page of the credential's project's own objects of this kind."""
    asked = dict(parse_qsl(request.query.decode("latin-1"), max_num_fields=50))
    limit, after, is_descending = _limit(asked.get("limit")), asked.get("after"), asked.get("order") != "asc"
    shown: list[dict[str, msgspec.Raw]] = []
    has_more = True
    for _ in range(_ROUNDS_MAX):
        page = await house.objects.page(credential, kind, after, limit + 1, is_descending=is_descending)
        has_more, page = len(page) > limit, page[:limit]
        shown += await _fetched(request, house, credential, page, path, asked.get("purpose"))
        # An empty page would be taken for the last one.
        if shown or not has_more:
            break
        after = page[-1].id
    ids = [one["id"] for one in shown if "id" in one]
    answer = {
        "object": "list",
        "data": shown,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more and bool(shown),
    }
    await request.answer_json(msgspec.json.encode(answer))


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 10_000:
        raise Refusal(Code.PARAMETER_INVALID, f"`limit` is {text[:64]!r}.", hint="It is from 1 to 100.", param="limit")
    return min(int(text), PAGE_MAX)


async def _fetched(
    request: Request, house: House, credential: Credential, page: list[Object], path: str, purpose: str | None
) -> list[dict[str, msgspec.Raw]]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def fetch(one: Object) -> dict[str, msgspec.Raw] | None:
        upstream = house.routing.find_upstream(one.upstream)
        if upstream is None or upstream.is_demo:
            return None
        async with turns, house.client.ask(upstream, "GET", f"{path}/{one.id}", request.request_id) as answer:
            if answer.status in _GONE:
                await house.objects.forget(credential, one)
                return None
            if not 200 <= answer.status < 300:
                raise broken(upstream, f"answered {answer.status} when it was asked for {one.id}")
            try:
                return _OBJECT.decode(without_secret(await read_whole(answer), upstream.secret))
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise broken(upstream, f"did not say what {one.id} is") from None

    fetched = await asyncio.gather(*(fetch(one) for one in page))
    wanted = None if purpose is None else msgspec.json.encode(purpose)
    return [one for one in fetched if one is not None and (wanted is None or bytes(one.get("purpose", b"")) == wanted)]
