"""The playground: a person's question, answered through the gateway with a key of their own.

No cookie ever reaches the gateway: the session only leads to the person's playground key (`control.playground`),
whose secret stays in this process, and the call goes through the gateway's door like any other.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath
from litestar.response import Stream

from keyhouse.console import inside
from keyhouse.console.call_view import single_money
from keyhouse.console.doorway import Visit, actor_of, address_of, base_url, read_form, session_of
from keyhouse.console.inside import Answer
from keyhouse.console.narrowing import usage_seen
from keyhouse.console.pages import pages_of
from keyhouse.control.authority import Task, sight_of
from keyhouse.core.call import State
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import format_usd

PATH: Final = "/v1/chat/completions"
AGENT: Final = "Keyhouse playground"
OUTPUT_MAX: Final = 8_192
USUAL_OUTPUT: Final = 1_024


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form. `said` are the turns before, by turns the person's and the model's."""

    model: str = ""
    project: str = ""
    system: str = ""
    message: str = ""
    output: int = USUAL_OUTPUT
    said: tuple[str, ...] = ()

    def body(self, *, stream: bool) -> bytes:
        """The request's body, as the view of the code shows it."""
        messages = [{"role": "system", "content": self.system}] if self.system else []
        turns = [*self.said, self.message]
        messages += [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(turns)]
        asked: dict[str, Any] = {"model": self.model, "messages": messages, "max_completion_tokens": self.output}
        if stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        return msgspec.json.encode(asked)


def read_typed(form: FormMultiDict) -> Typed:
    """The form as it was sent; raises Refusal(PARAMETER_INVALID) for an empty message."""
    output = str(form.get("output", ""))
    typed = Typed(
        model=str(form.get("model", "")),
        project=str(form.get("project", "")),
        system=str(form.get("system", "")).strip(),
        message=str(form.get("message", "")).strip(),
        output=min(OUTPUT_MAX, max(1, int(output))) if output.isascii() and output.isdigit() else USUAL_OUTPUT,
        said=tuple(str(text) for text in form.getall("said", [])),
    )
    if not typed.message:
        raise Refusal(Code.PARAMETER_INVALID, "There is no message to send.", hint="Type one.", param="message")
    return typed


@get("/playground")
async def show_playground(request: Visit) -> Response[Any]:
    """The form, before anything was asked."""
    return await _page(request, Typed(), "", "", HTTPStatus.OK)


@post("/playground")
async def ask_without_script(request: Visit) -> Response[Any]:
    """Ask, and show the whole answer on the page: what the form does without JavaScript."""
    form = await read_form(request)
    try:
        typed = read_typed(form)
        async with AsyncExitStack() as stack:
            answer = await _ask(request, typed, stack, stream=False)
            text = await answer.body()
    except Refusal as refusal:
        if refusal.code not in (Code.PARAMETER_INVALID, Code.NOT_PERMITTED, Code.NOT_FOUND):
            raise
        return await _page(request, Typed(), "", refusal.text, HTTPStatus.UNPROCESSABLE_ENTITY)
    if answer.status != HTTPStatus.OK:
        return await _page(request, typed, "", _why(text), HTTPStatus.UNPROCESSABLE_ENTITY)
    said = msgspec.json.decode(text)["choices"][0]["message"].get("content") or ""
    return await _page(request, typed, said, "", HTTPStatus.OK, call_id=answer.headers.get("x-keyhouse-call-id", ""))


@post("/playground/ask", status_code=HTTPStatus.OK)
async def ask(request: Visit) -> Response[Any] | Stream:
    """Ask, and pass the answer's events on as they come, with the call's id beside them."""
    typed = read_typed(await read_form(request))
    stack = AsyncExitStack()
    answer = await _ask(request, typed, stack, stream=True)
    if answer.status != HTTPStatus.OK:
        async with stack:
            text = await answer.body()
        return Response({"message": _why(text)}, status_code=answer.status, media_type="application/json")

    async def events() -> AsyncIterator[bytes]:
        async with stack:
            async for part in answer.chunks():
                yield part

    headers = {"x-keyhouse-call-id": answer.headers.get("x-keyhouse-call-id", ""), "x-accel-buffering": "no"}
    return Stream(events(), media_type="text/event-stream", headers=headers)


@get("/playground/calls/{call_id:str}")
async def show_figures(request: Visit, call_id: FromPath[str]) -> Response[Any]:
    """What a call of the playground has cost and taken, once it is settled."""
    organization_id = session_of(request).organization_id
    found = await pages_of(request).desk.call_questions.one(organization_id, call_id, sight=usage_seen(request))
    call, counts = found.call, found.call.counts
    cost = call.cost_nano_usd
    figures = {
        "is_settled": call.state is not State.HELD,
        "cost": "" if cost is None else single_money(cost),
        "reserved": f"${format_usd(call.reserved.nano_usd)}",
        "first_byte_ms": call.first_byte_ms,
        "duration_ms": call.duration_ms,
        "input": counts.input,
        "cached": counts.cached_input,
        "output": counts.output,
        "reasoning": counts.reasoning,
    }
    return Response(figures, media_type="application/json")


async def _ask(request: Visit, typed: Typed, stack: AsyncExitStack, *, stream: bool) -> Answer:
    """The gateway's answer; a secret that it does not know any more is replaced once."""
    desk, actor = pages_of(request).desk, session_of(request).actor(address_of(request))
    body = typed.body(stream=stream)
    for is_last in (False, True):
        secret = await desk.playground.secret(actor, typed.project)
        answer = await stack.enter_async_context(
            inside.post(desk.gateway, PATH, body, secret=secret, agent=AGENT, address=actor.address)
        )
        if answer.status != HTTPStatus.UNAUTHORIZED or is_last:
            break
        await stack.aclose()
        desk.playground.forget(actor, typed.project)
    return answer


def _why(text: bytes) -> str:
    """What the gateway said, in words."""
    try:
        error = msgspec.json.decode(text)["error"]
        return str(error["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "The gateway did not answer in a form that is known."


async def _page(
    request: Visit, typed: Typed, answer: str, fault: str, status: int, *, call_id: str = ""
) -> Response[Any]:
    pages, session = pages_of(request), session_of(request)
    sight = sight_of(actor_of(request), Task.MODEL_REQUEST)
    projects = await pages.desk.project_questions.list(session.organization_id, sight=sight)
    return await pages.signed_in(
        request,
        "playground/playground.html",
        here="/playground",
        status=status,
        overlay=None,
        toast=None,
        typed=typed,
        answer=answer,
        fault=fault,
        call_id=call_id,
        models=pages.desk.models(),
        projects=projects,
        output_max=OUTPUT_MAX,
        address=base_url(request, pages.desk.public_url),
    )
