"""The command as a client of a running Keyhouse, over its HTTP API.

`KEYHOUSE_URL` says where it is, `KEYHOUSE_ADMIN_KEY` or the file named by `KEYHOUSE_ADMIN_KEY_FILE` who asks.
"""

import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
from cyclopts import Parameter

from keyhouse import __version__
from keyhouse.cli.talk import Exit, Failure

URL: Final = "http://127.0.0.1:8080"
TIMEOUT_SECONDS: Final = 60
PAGE: Final = 100
PAUSES_SECONDS: Final = (0.2, 1.0)
"""Between the times that something is asked for again."""

_STATUS: Final = {
    400: Exit.USAGE,
    401: Exit.DENIED,
    403: Exit.DENIED,
    404: Exit.NOT_FOUND,
    408: Exit.TRY_AGAIN,
    409: Exit.CONFLICT,
    413: Exit.USAGE,
    429: Exit.TRY_AGAIN,
    502: Exit.TRY_AGAIN,
    503: Exit.TRY_AGAIN,
    504: Exit.TRY_AGAIN,
}

Json = dict[str, Any]


IdempotencyKey = Annotated[
    str | None,
    Parameter(
        help="Makes nothing twice: another run with it and the same options (an end as a date) shows the same secret."
    ),
]
"""The option of every command that makes a secret."""


class Unreachable(Failure):
    """There was no connection: nothing was sent."""


class Lost(Failure):
    """The connection broke before an answer came: whether it was done is not known."""


class Client:
    """Asks the Admin API. Every failure is a `Failure` with its exit code and a sentence.

    A path that is not whole is below `/v1/organization`.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.url = server_url(environment)
        self._key = _admin_key(environment)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Json:
        """Ask for something."""
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: object = None) -> Json:
        """Make or change something."""
        return self._ask("POST", path, body={} if body is None else body)

    def once(self, path: str, body: object, idempotency_key: str | None) -> Json:
        """Make something with a secret, once, however often it has to be asked for where connections break.

        A failure after which it may have been made says how to ask for the very same.
        """
        chosen = idempotency_key or str(uuid4())
        headers = {"idempotency-key": chosen}
        was_sent = False
        for pause_seconds in (*PAUSES_SECONDS, None):
            try:
                return self._ask("POST", path, body=body, headers=headers)
            except Unreachable as failure:
                if not was_sent:
                    raise
                lost: Failure = failure
            except Lost as failure:
                was_sent, lost = True, failure
            except Failure as failure:
                if failure.status is not Exit.TRY_AGAIN:
                    raise
                raise _repeatable(failure, chosen) from None
            if pause_seconds is None:
                break
            time.sleep(pause_seconds)
        raise _repeatable(lost, chosen)

    def delete(self, path: str) -> Json:
        """Take something away."""
        return self._ask("DELETE", path)

    def verify(self, body: object) -> Json:
        """Ask whether a key will do."""
        return self._ask("POST", "/v1/keys/verify", body=body)

    def every(self, path: str, query: Mapping[str, Any] | None = None) -> list[Json]:
        """All objects of a list, page by page."""
        found: list[Json] = []
        wanted = dict(query or {}) | {"limit": PAGE}
        while True:
            page = self.get(path, wanted)
            found += page["data"]
            if not page["has_more"] or not page["data"]:
                return found
            wanted["after"] = page["next"] if "next" in page else page["last_id"]

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        root = "" if path.startswith("/v1/") else "/v1/organization"
        ours = {"authorization": f"Bearer {self._key}", "user-agent": f"keyhouse/{__version__}"}
        try:
            answer = httpx.request(
                method,
                f"{self.url}{root}{path}",
                params=query,
                json=body,
                headers=ours | dict(headers or {}),
                timeout=TIMEOUT_SECONDS,
            )
        except httpx.ConnectError as error:
            raise Unreachable(
                f"cannot reach Keyhouse at {self.url}: {error}. Start it with `keyhouse serve`, or set KEYHOUSE_URL "
                "to where it is.",
                Exit.TRY_AGAIN,
            ) from None
        except httpx.TimeoutException:
            raise Failure(
                f"Keyhouse at {self.url} did not answer within {TIMEOUT_SECONDS} seconds. Try again.", Exit.TRY_AGAIN
            ) from None
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise Lost(
                f"the connection to Keyhouse at {self.url} broke before it answered: {error}. What was asked may have "
                "been done all the same; if it never answers, check KEYHOUSE_URL.",
                Exit.TRY_AGAIN,
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failure(f"asking Keyhouse at {self.url} failed: {error}. Check KEYHOUSE_URL.") from None
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Json:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if answer.is_success and isinstance(body, dict):
            return body
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            raise Failure(
                f"what answers at {self.url} is not Keyhouse's API (status {answer.status_code}). Check KEYHOUSE_URL.",
                _STATUS.get(answer.status_code, Exit.ERROR) if answer.status_code >= 500 else Exit.ERROR,
            )
        message = error["message"]
        if answer.status_code >= 500 and (request_id := answer.headers.get("x-request-id")):
            message = f"{message} ({request_id})"
        raise Failure(message, _STATUS.get(answer.status_code, Exit.ERROR))


def _repeatable(failure: Failure, idempotency_key: str) -> Failure:
    return Failure(
        f"{failure.message} It may have been made: to ask for the very same, and for nothing twice, add "
        f"--idempotency-key {shlex.quote(idempotency_key)}",
        failure.status,
    )


def part(identifier: str) -> str:
    """An id as one part of a path, whatever is in it."""
    return quote(require_id(identifier), safe="")


def require_id(identifier: str) -> str:
    """An id, and not by mistake a secret: that has no place on a command line, where every process can see it."""
    if identifier.startswith("sk-"):
        raise Failure(
            "that is a secret, and others may have seen it on this command line: rotate its key. Keys are named by "
            "their ids (key_...).",
            Exit.USAGE,
        )
    if not identifier.strip(" ."):
        raise Failure("an id is empty.", Exit.USAGE)
    return identifier


def server_url(environment: Mapping[str, str], otherwise: str = URL) -> str:
    """Where the server is: what KEYHOUSE_URL says, `otherwise` if it says nothing. Raises Failure."""
    url = (environment.get("KEYHOUSE_URL") or otherwise).strip().rstrip("/").removesuffix("/v1")
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
    except ValueError:
        is_good = False
    if not is_good:
        raise Failure(f"KEYHOUSE_URL: expected http://host:port or https://host, not {url!r}.", Exit.USAGE)
    return url


def _admin_key(environment: Mapping[str, str]) -> str:
    key = environment.get("KEYHOUSE_ADMIN_KEY", "")
    path = environment.get("KEYHOUSE_ADMIN_KEY_FILE")
    if not key and path:
        try:
            key = Path(path).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise Failure(f"KEYHOUSE_ADMIN_KEY_FILE: {path} cannot be read: {error}.", Exit.DENIED) from None
    key = key.strip()
    if not key:
        raise Failure(
            "no admin key. Set KEYHOUSE_ADMIN_KEY, or KEYHOUSE_ADMIN_KEY_FILE to a file that holds it; "
            "an owner makes one in the console (Settings, Admin keys), and where Keyhouse runs "
            "`keyhouse admin-keys create --data DIR --email OWNER --name NAME` makes one without a server.",
            Exit.DENIED,
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Failure("the admin key has characters that no key has. Copy it again, whole.", Exit.DENIED)
    return key
