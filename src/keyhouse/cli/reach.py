"""Whether a running Keyhouse can be reached as its users reach it, and whether streams are kept back on the way."""

import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from keyhouse.cli.checkups import Finding, Verdict

TIMEOUT_SECONDS: Final = 60.0
LOCAL: Final = ("127.0.0.1", "localhost", "::1")

LONG_SECONDS: Final = 0.4
"""A stream that took less is over before anybody could tell."""

SHARE_MIN: Final = 0.1
"""The least share of a stream's time that lies between its first piece and its last, if nothing keeps it back."""


class Stream(msgspec.Struct, frozen=True):
    """When a streamed answer's first and last pieces came, in seconds after the request, and how many there were."""

    first_seconds: float
    last_seconds: float
    pieces: int

    @property
    def is_kept_back(self) -> bool | None:
        """Whether it came all at once at its end; None if it was too short to tell."""
        if self.last_seconds < LONG_SECONDS or self.pieces < 1:
            return None
        return self.last_seconds - self.first_seconds < SHARE_MIN * self.last_seconds


def check_server(url: str) -> Finding:
    """Whether Keyhouse answers at this address, and is ready for calls."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("server", Verdict.WARNING, f"Nothing answers at {url}: {error}.", "Start it: `keyhouse serve`.")
    if answer.status_code == httpx.codes.OK:
        return Finding("server", Verdict.OK, f"It answers at {url}, and is ready.")
    what = f"What answers at {url} says {answer.status_code} at /readyz."
    return Finding("server", Verdict.PROBLEM, what, "See its log; if it is not Keyhouse, set KEYHOUSE_URL.")


def check_address(url: str) -> Finding:
    """Whether secrets travel in the clear on the way to this address."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return _hsts(url)
    if parts.hostname in LOCAL:
        return Finding("tls", Verdict.OK, "It is reached on this machine only.")
    next_step = "Put a proxy with TLS before it, and set server.public_url to its https address."
    return Finding("tls", Verdict.WARNING, f"{url} is plain http: keys travel readable.", next_step)


def _hsts(url: str) -> Finding:
    try:
        answer = httpx.get(f"{url}/healthz", timeout=10)
    except httpx.HTTPError as error:
        return Finding("tls", Verdict.PROBLEM, f"{url} cannot be reached: {error}.", "Check its certificate and name.")
    if "strict-transport-security" in answer.headers:
        return Finding("tls", Verdict.OK, "It is https, and browsers are told to stay with it.")
    next_step = "Have the proxy send Strict-Transport-Security: max-age=31536000."
    return Finding("tls", Verdict.WARNING, "It is https, but browsers are not told to stay with it.", next_step)


def check_stream(url: str, key: str | None, model: str) -> Finding:
    """Whether a streamed call comes piece by piece through this address."""
    if key is None:
        next_step = "Set KEYHOUSE_API_KEY to an API key that may use the model, and run it again."
        return Finding("stream", Verdict.SKIPPED, "No API key to make a call with.", next_step)
    try:
        stream = _time(url, key, model)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("stream", Verdict.PROBLEM, f"A streamed call through {url} failed: {error}.", "See above.")
    except _Refused as refused:
        return Finding(
            "stream", Verdict.PROBLEM, f"A streamed call was refused: {refused}", "Use another key or model."
        )
    times = f"first piece after {stream.first_seconds:.2f} s, last after {stream.last_seconds:.2f} s"
    if stream.is_kept_back is None:
        next_step = "Ask a slower model: --model."
        return Finding("stream", Verdict.SKIPPED, f"The answer was over too soon to tell ({times}).", next_step)
    if stream.is_kept_back:
        next_step = "Turn buffering off in the proxy: for nginx `proxy_buffering off;`, and no compression of streams."
        return Finding("stream", Verdict.PROBLEM, f"Something on the way keeps answers back ({times}).", next_step)
    return Finding("stream", Verdict.OK, f"It comes piece by piece ({times}).")


class _Refused(Exception):  # noqa: N818  it is an answer, not a fault
    """The call was refused; the text is the answer's."""


def _time(url: str, key: str, model: str) -> Stream:
    body = {
        "model": model,
        "stream": True,
        "max_tokens": 64,
        "metadata": {"pace_ms": "100"},
        "messages": [{"role": "user", "content": "Count slowly from one to thirty."}],
    }
    began = time.perf_counter()
    with httpx.stream(
        "POST",
        f"{url}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {key}"},
        timeout=TIMEOUT_SECONDS,
    ) as answer:
        if answer.status_code != httpx.codes.OK:
            answer.read()
            raise _Refused(answer.text[:300])
        moments = [moment - began for moment in _moments(answer)]
    return Stream(moments[0], moments[-1], len(moments)) if moments else Stream(0.0, 0.0, 0)


def _moments(answer: httpx.Response) -> Iterator[float]:
    for _ in answer.iter_bytes():
        yield time.perf_counter()
