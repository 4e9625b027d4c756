"""Everything that an upstream keeps and Keyhouse passes through: one table, and how a row of it is served.

A row says who may, whose the ids in its path must be, what is made, and whether it costs what nobody can bound. Ids in
paths and bodies are looked up in the books: a project reaches what was made with its own keys, and any other id reads
as missing. What costs nothing is passed on with the key read anew; what does is a call in the books without a price, so
that it is refused where a limit in usd applies.
"""

from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.permissions import Access, Resource

_PAGE: Final = frozenset({"after", "before", "filter", "include", "include[]", "limit", "order"})


class Passed(msgspec.Struct, frozen=True):
    """One address below `/v1`, the same below an upstream's base.

    `{file}` in `path` is an id: the first one must be the project's object of that kind, those after it belong to the
    first. `makes` is the kind of what the answer's `id` names, `also` are fields of an answer that name other things
    that were made, with their kinds. `lists`: the project's own of this kind, from the books. `forgets`: the first
    object is deleted. `takes_form`: its body is one. `costs`: nobody can say how much. `in_pieces`: the answer is
    a file.
    """

    method: str
    path: str
    resource: Resource
    makes: str | None = None
    also: tuple[tuple[str, str], ...] = ()
    lists: str | None = None
    forgets: bool = False
    takes_form: bool = False
    costs: bool = False
    in_pieces: bool = False
    query: frozenset[str] = frozenset()

    @property
    def access(self) -> Access:
        """Reading or writing."""
        return Access.READ if self.method == "GET" else Access.WRITE


_FILES, _BATCHES, _STORES, _KEPT = Resource.FILES, Resource.BATCHES, Resource.VECTOR_STORES, Resource.RESPONSES
_RESULTS: Final = (("output_file_id", "file"), ("error_file_id", "file"))
_STORE: Final = "/vector_stores/{vector_store}"
_TALK: Final = "/conversations/{conversation}"
_BOX: Final = "/containers/{container}"

PASSED: Final = (
    Passed("POST", "/files", _FILES, makes="file", takes_form=True),
    Passed("GET", "/files", _FILES, lists="file"),
    Passed("GET", "/files/{file}", _FILES),
    Passed("DELETE", "/files/{file}", _FILES, forgets=True),
    Passed("GET", "/files/{file}/content", _FILES, in_pieces=True),
    Passed("POST", "/uploads", _FILES, makes="upload"),
    Passed("POST", "/uploads/{upload}/parts", _FILES, takes_form=True),
    Passed("POST", "/uploads/{upload}/complete", _FILES, also=(("file", "file"),)),
    Passed("POST", "/uploads/{upload}/cancel", _FILES),
    Passed("GET", "/batches", _BATCHES, lists="batch"),
    Passed("GET", "/batches/{batch}", _BATCHES, also=_RESULTS),
    Passed("POST", "/batches/{batch}/cancel", _BATCHES, also=_RESULTS),
    Passed("POST", "/vector_stores", _STORES, makes="vector_store", costs=True),
    Passed("GET", "/vector_stores", _STORES, lists="vector_store"),
    Passed("GET", _STORE, _STORES),
    Passed("POST", _STORE, _STORES),
    Passed("DELETE", _STORE, _STORES, forgets=True),
    Passed("POST", f"{_STORE}/search", _STORES, costs=True),
    Passed("POST", f"{_STORE}/files", _STORES, costs=True),
    Passed("GET", f"{_STORE}/files", _STORES, query=_PAGE),
    Passed("GET", f"{_STORE}/files/{{file}}", _STORES),
    Passed("POST", f"{_STORE}/files/{{file}}", _STORES),
    Passed("DELETE", f"{_STORE}/files/{{file}}", _STORES),
    Passed("GET", f"{_STORE}/files/{{file}}/content", _STORES),
    Passed("POST", f"{_STORE}/file_batches", _STORES, costs=True),
    Passed("GET", f"{_STORE}/file_batches/{{batch}}", _STORES),
    Passed("POST", f"{_STORE}/file_batches/{{batch}}/cancel", _STORES),
    Passed("GET", f"{_STORE}/file_batches/{{batch}}/files", _STORES, query=_PAGE),
    Passed("POST", "/conversations", _KEPT, makes="conversation"),
    Passed("GET", _TALK, _KEPT),
    Passed("POST", _TALK, _KEPT),
    Passed("DELETE", _TALK, _KEPT, forgets=True),
    Passed("GET", f"{_TALK}/items", _KEPT, query=_PAGE),
    Passed("POST", f"{_TALK}/items", _KEPT, query=_PAGE),
    Passed("GET", f"{_TALK}/items/{{item}}", _KEPT, query=_PAGE),
    Passed("DELETE", f"{_TALK}/items/{{item}}", _KEPT),
    Passed("POST", "/containers", _KEPT, makes="container", costs=True),
    Passed("GET", "/containers", _KEPT, lists="container"),
    Passed("GET", _BOX, _KEPT),
    Passed("DELETE", _BOX, _KEPT, forgets=True),
    Passed("POST", f"{_BOX}/files", _KEPT, takes_form=True),
    Passed("GET", f"{_BOX}/files", _KEPT, query=_PAGE),
    Passed("GET", f"{_BOX}/files/{{file}}", _KEPT),
    Passed("DELETE", f"{_BOX}/files/{{file}}", _KEPT),
    Passed("GET", f"{_BOX}/files/{{file}}/content", _KEPT, in_pieces=True),
)

NOT_SERVED: Final = {
    "assistants": "Assistants: OpenAI has ended them; use responses and conversations",
    "chatkit": "ChatKit: its sessions call models past Keyhouse",
    "evals": "Evals: their runs call models that no key's permissions and no budget would reach",
    "fine_tuning": "Fine-tuning: what a job costs is known only when it is over",
    "live": "Live sessions: they call models past Keyhouse",
    "realtime": "Realtime is a WebSocket at /v1/realtime?model=...; by WebRTC, by SIP and with client secrets "
    "its sessions would call models past Keyhouse",
    "skills": "Skills: they run in containers that nobody can bound",
    "threads": "Threads: OpenAI has ended them; use responses and conversations",
    "videos": "Videos: what one costs is known only when it is made",
}
"""What OpenAI has and Keyhouse does not, by the first part of its path, and why."""


def find_passed(path: str, method: str) -> tuple[Passed, list[str]] | None:
    """The row for a path that begins with `/v1/`, and the ids in it; None if there is no such path.

    Raises Refusal for a wrong method, and for what Keyhouse does not serve.
    """
    parts = path.split("/")[2:]
    allowed = []
    for passed, pattern in _PATTERNS:
        if len(pattern) != len(parts):
            continue
        if all(want == got or (want.startswith("{") and got) for want, got in zip(pattern, parts, strict=True)):
            if passed.method == method:
                return passed, [got for want, got in zip(pattern, parts, strict=True) if want.startswith("{")]
            allowed.append(passed.method)
    if allowed:
        raise Refusal(
            Code.METHOD_NOT_ALLOWED,
            f"{method} is not allowed on {path[:200]}.",
            hint=f"Use {', '.join(allowed)}.",
            facts={"allow": ", ".join(allowed)},
        )
    if parts and parts[0] in NOT_SERVED:
        raise Refusal(Code.ENDPOINT_UNKNOWN, "Keyhouse does not serve this.", hint=f"{NOT_SERVED[parts[0]]}.")
    return None


_PATTERNS: Final = tuple((passed, passed.path.split("/")[1:]) for passed in PASSED)
