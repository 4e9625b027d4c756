"""`keyhouse rate-limits`: a project's limits by the minute and the day on each model; list, set."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.lookup import ProjectOption
from keyhouse.cli.talk import AsJson, Exit, Failure, show_list, show_one

rate_limits_app: Final = App(name="rate-limits", help="A project's limits by the minute and the day on each model.")

NO_LIMIT: Final = 2**53 - 1
"""What the API says where there is no limit, and takes for none."""

_HELP: Final = "How many, or none."
RequestsOption = Annotated[str | None, Parameter(name="--requests-per-minute", help=_HELP)]
TokensOption = Annotated[str | None, Parameter(name="--tokens-per-minute", help=_HELP)]
ImagesOption = Annotated[str | None, Parameter(name="--images-per-minute", help=_HELP)]
AudioOption = Annotated[str | None, Parameter(name="--audio-seconds-per-minute", help=_HELP)]
DailyOption = Annotated[str | None, Parameter(name="--requests-per-day", help=_HELP)]

_FIELDS: Final = {
    "REQUESTS/MIN": "max_requests_per_1_minute",
    "TOKENS/MIN": "max_tokens_per_1_minute",
    "IMAGES/MIN": "max_images_per_1_minute",
    "AUDIO SECONDS/MIN": "max_audio_seconds_per_1_minute",
    "REQUESTS/DAY": "max_requests_per_1_day",
}


@rate_limits_app.command(name="list")
def list_rate_limits(*, project: ProjectOption = None, json: AsJson = False) -> None:
    """List a project's rate limits, a line for each model.

    For example:

        keyhouse rate-limits list

        keyhouse rate-limits list --project Research --json
    """
    client = Client()
    show_list(
        _records(client, lookup.project(client, project)),
        ("MODEL", *_FIELDS),
        lambda each: (each["model"], *(_amount(each[field]) for field in _FIELDS.values())),
        as_json=json,
        numbers=tuple(_FIELDS),
    )


@rate_limits_app.command(name="set")
def set_rate_limit(
    model: Annotated[str, Parameter(help="The model, by its name.")],
    /,
    *,
    project: ProjectOption = None,
    requests_per_minute: RequestsOption = None,
    tokens_per_minute: TokensOption = None,
    images_per_minute: ImagesOption = None,
    audio_seconds_per_minute: AudioOption = None,
    requests_per_day: DailyOption = None,
    json: AsJson = False,
) -> None:
    """Set a project's limits on a model, at once; what is not named stays, `none` takes a limit out of force.

    For example:

        keyhouse rate-limits set gpt-5-mini --project Research --requests-per-minute 60 --tokens-per-minute 40000

        keyhouse rate-limits set gpt-5-mini --requests-per-day none
    """
    given = (requests_per_minute, tokens_per_minute, images_per_minute, audio_seconds_per_minute, requests_per_day)
    body = {
        field: _number(text, header)
        for (header, field), text in zip(_FIELDS.items(), given, strict=True)
        if text is not None
    }
    if not body:
        raise Failure("nothing to set: give at least one amount, such as --requests-per-minute 60.", Exit.USAGE)
    client = Client()
    project_id = lookup.project(client, project)
    for record in _records(client, project_id):
        if record["model"] == model:
            path = f"/projects/{part(project_id)}/rate_limits/{part(record['id'])}"
            _show(client.post(path, body), as_json=json)
            return
    raise Failure(f"there is no model {model!r}. `keyhouse models list` shows them.", Exit.NOT_FOUND)


def _records(client: Client, project_id: str) -> list[Json]:
    return client.every(f"/projects/{part(project_id)}/rate_limits")


def _number(text: str, header: str) -> int | None:
    if text == "none":
        return None
    if not text.isascii() or not text.isdecimal():
        raise Failure(f"{header.lower()}: expected a whole number or none, not {text!r}.", Exit.USAGE)
    return int(text)


def _amount(amount: int | None) -> int | None:
    return None if amount is None or amount >= NO_LIMIT else amount


def _show(found: Json, *, as_json: bool) -> None:
    fields = {header.lower(): _amount(found[field]) for header, field in _FIELDS.items()}
    show_one(found, {"model": found["model"], **fields}, as_json=as_json)
