"""Whether an upstream answers, said in plain words: a real request for its models, and for a model of it a real word.

What is asked here is not a call: no key pays for it and nothing of it is in the books.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.answer import Answer
from keyhouse.gateway.passing import read_whole, without_secret
from keyhouse.gateway.routing import Routing, Upstream
from keyhouse.gateway.upstream import UpstreamClient

PROBE_SECONDS: Final = 15.0
_REQUEST_ID: Final = "keyhouse-test"
_SAID_CHARACTERS_MAX: Final = 300

_TROUBLES: Final = (
    ("cannot be found", "its name cannot be resolved. Check the host in base_url, and this machine's DNS"),
    ("not public", "its address is private, and allow_private is not set for it"),
    ("not https", "its base_url is not https, and allow_private is not set for it"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "its TLS certificate is not valid for this name, or of an unknown authority",
    ),
    ("SSL", "no TLS connection could be made: perhaps it speaks plain http"),
    ("Connect call failed", "nobody listens there: the connection was refused. Check the port, and that it runs"),
    ("refused", "nobody listens there: the connection was refused. Check the port, and that it runs"),
    ("did not take a connection", "no connection could be made in time. Check the address, and firewalls between"),
    ("did not answer in time", "it took the connection and did not answer in time"),
    ("broke off", "it closed the connection, or does not speak HTTP there"),
)
_STATUSES: Final = {
    401: "it refused the credential. Check api_key and auth",
    403: "it knows the credential and does not allow this",
    404: "it has no such address. Check that base_url ends before /chat/completions, usually with /v1",
    429: "it answers, and says that there were too many requests or that its quota is used up",
}


class Finding(msgspec.Struct, frozen=True):
    """One step of a test. `status` is what the upstream answered, None if it did not; `says` is a sentence."""

    step: str
    is_good: bool
    says: str
    status: int | None = None
    latency_ms: int | None = None


class Probe:
    """Tests upstreams."""

    def __init__(self, client: UpstreamClient, clock: Clock, routing: Routing) -> None:
        self._client = client
        self._clock = clock
        self._routing = routing

    async def test(self, name: str, model: str | None) -> list[dict[str, Any]]:
        """Ask an upstream for its models, and, where one is named as it knows it, for one token of a chat.

        Each `Finding`, in words for JSON. Raises Refusal if the upstream is not used.
        """
        upstream = self._routing.find_upstream(name)
        if upstream is None:
            raise Refusal(
                Code.CONFLICT,
                f"The upstream {name} is not used: its credential cannot be read.",
                hint="Give it its credential again.",
            )
        listing = partial(self._client.ask, upstream, "GET", "/models", _REQUEST_ID)
        findings = [await self._step("models", upstream, listing)]
        if model is not None:
            asked = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
            target = upstream.target("/chat/completions", model)
            chat = partial(self._client.forward, upstream, target, msgspec.json.encode(asked), _REQUEST_ID)
            findings.append(await self._step("chat", upstream, chat))
        return [msgspec.structs.asdict(finding) for finding in findings]

    async def _step(self, step: str, upstream: Upstream, asking: Callable[[], Answer]) -> Finding:
        began = self._clock.monotonic_ms()
        try:
            async with asyncio.timeout(PROBE_SECONDS), asking() as answer:
                content = without_secret(await read_whole(answer), upstream.secret)
                status = answer.status
        except TimeoutError:
            return Finding(step, is_good=False, says=_sentence(upstream, "it did not answer in time"))
        except Refusal as refusal:
            return Finding(step, is_good=False, says=_sentence(upstream, _trouble(refusal)))
        latency_ms = round(self._clock.monotonic_ms() - began)
        if 200 <= status < 300:
            says = f"The upstream {upstream.name} answers, in {latency_ms} ms."
            return Finding(step, is_good=True, says=says, status=status, latency_ms=latency_ms)
        why = _STATUSES.get(status, f"it answered {status}")
        said = " ".join(content.decode("utf-8", "replace").split())[:_SAID_CHARACTERS_MAX]
        says = _sentence(upstream, why) + (f" It said: {said}" if said else "")
        return Finding(step, is_good=False, says=says, status=status, latency_ms=latency_ms)


def _trouble(refusal: Refusal) -> str:
    told = f"{refusal.message} {refusal.internal}"
    for words, meaning in _TROUBLES:
        if words in told:
            return f"{meaning} ({refusal.internal})"
    return told


def _sentence(upstream: Upstream, why: str) -> str:
    return f"The upstream {upstream.name} cannot be used: {why}."
