"""How a session of Realtime is opened: what its address asks for, and where that is at an upstream."""

from typing import Final
from urllib.parse import parse_qs, quote

from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.routing import Deployment
from keyhouse.wire.events import invalid
from keyhouse.wire.realtime_settings import REALTIME, TRANSCRIPTION

PATH: Final = "/v1/realtime"


def target_of(deployment: Deployment, kind: str) -> str:
    """Where a session is opened; Azure's older form calls a model a deployment, and wants one in any case."""
    name = quote(deployment.upstream_model, safe="")
    if deployment.upstream.api_version is not None:
        query = f"deployment={name}" if kind == REALTIME else f"intent=transcription&deployment={name}"
    else:
        query = f"model={name}" if kind == REALTIME else "intent=transcription"
    return deployment.upstream.target(f"/realtime?{query}")


def asked_in(query: bytes) -> tuple[str, str | None]:
    """The kind of session that a query asks for, and its model; one that transcribes may name it later.

    Raises Refusal.
    """
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    if "call_id" in given:
        why = "Calls over WebRTC and SIP are not served: their sound would go past Keyhouse."
        raise invalid("call_id", why, "Leave it out.")
    intents, models = given.get("intent"), given.get("model", [])
    if intents not in (None, [TRANSCRIPTION]):
        raise invalid("intent", "There is no such intent.", f"Use `{TRANSCRIPTION}`, or leave it out.")
    if len(models) > 1 or models == [""]:
        raise invalid("model", "`model` must be there once, and not be empty.", "Name one model.")
    if intents:
        return TRANSCRIPTION, next(iter(models), None)
    if not models:
        raise Refusal(
            Code.PARAMETER_MISSING,
            "Missing required parameter: `model`.",
            hint=f"Connect to {PATH}?model=..., with a model that GET /v1/models lists.",
            param="model",
        )
    return REALTIME, models[0]
