"""`keyhouse models`: list, show, create, update, delete; what projects may use is in `model_permissions`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.model_permissions import permissions_app
from keyhouse.cli.talk import AsJson, Exit, Failure, show_fields, show_json, show_one, show_table
from keyhouse.cli.upstreams import find, set_of, source

models_app: Final = App(name="models", help="The models that applications may call, and who serves them.")
models_app.command(permissions_app)

ModelName = Annotated[str, Parameter(help="The model, by its id or its name.")]
UpstreamsOption = Annotated[
    list[str] | None,
    Parameter(
        name="--upstream",
        help="An upstream, by its name; repeat for more, in the order in which they are tried. `name@3` shares the "
        "calls with the others that are written so, by weight.",
    ),
]
ThereOption = Annotated[str | None, Parameter(name="--upstream-model", help="Its name at the upstreams, if another.")]
InputOption = Annotated[str | None, Parameter(name="--input-usd-per-million", help="USD per million input tokens.")]
CachedOption = Annotated[
    str | None, Parameter(name="--cached-input-usd-per-million", help="For input read from the upstream's cache.")
]
OutputOption = Annotated[str | None, Parameter(name="--output-usd-per-million", help="USD per million output tokens.")]
MaxOutputOption = Annotated[int | None, Parameter(name="--max-output-tokens", help="The longest answer.")]
FieldsOption = Annotated[
    str | None,
    Parameter(
        name="--fields",
        allow_leading_hyphen=True,
        help="A file with any of the API's fields as JSON, - for standard input: prices of images, audio and tiers, an "
        "upstream's own name, rank and prices. What is named by an option wins.",
    ),
]
MaxInputOption = Annotated[int | None, Parameter(name="--max-input-tokens", help="The longest prompt.")]


@models_app.command(name="list")
def list_models(*, json: AsJson = False) -> None:
    """List the models: those of the configuration, and those that were added.

    For example:

        keyhouse models list

        keyhouse models list --json
    """
    found = Client().every("/models")
    if json:
        show_json({"object": "list", "data": found})
        return
    rows = [(each["id"], each["name"], _upstreams(each), _price(each), source(each)) for each in found]
    show_table(("ID", "NAME", "UPSTREAMS", "USD PER MILLION", "FROM"), rows)


@models_app.command
def show(model: ModelName, /, *, json: AsJson = False) -> None:
    """Show a model with all that is set of it.

    For example:

        keyhouse models show gpt-5-mini
    """
    client = Client()
    found = client.get(f"/models/{part(find(client, 'models', model))}")
    tiers = [f"{each['tier']} from {each['from_input_tokens']}: {_price(each)}" for each in found["rates"]]
    said = {"upstreams": _upstreams(found), "rates": "; ".join(tiers) or None}
    show_one(found, set_of(found | said), as_json=json)


@models_app.command
def create(
    name: Annotated[str, Parameter(help="The name that applications use.")],
    /,
    *,
    upstream: UpstreamsOption = None,
    upstream_model: ThereOption = None,
    input_usd_per_million: InputOption = None,
    cached_input_usd_per_million: CachedOption = None,
    output_usd_per_million: OutputOption = None,
    max_output_tokens: MaxOutputOption = None,
    max_input_tokens: MaxInputOption = None,
    fields: FieldsOption = None,
    json: AsJson = False,
) -> None:
    """Add a model. Without prices, those that are known of its name at the upstream are used.

    For example:

        keyhouse models create gpt-5-mini --upstream openai

        keyhouse models create tiny-1 --upstream local --input-usd-per-million 0.10 --output-usd-per-million 0.40

        keyhouse models create gpt-5-mini --upstream azure-se@3 --upstream azure-fr@1 --upstream openai

        keyhouse models create painter-1 --upstream openai --fields prices.json
    """
    written = _written(fields)
    if not upstream and "upstreams" not in written:
        raise Failure("name who serves it with --upstream.", Exit.USAGE)
    body = {**written, "name": name} | _given(
        upstream,
        upstream_model,
        input_usd_per_million,
        cached_input_usd_per_million,
        output_usd_per_million,
        max_output_tokens,
        max_input_tokens,
    )
    _show(Client().post("/models", body), json)


@models_app.command
def update(
    model: ModelName,
    /,
    *,
    upstream: UpstreamsOption = None,
    upstream_model: ThereOption = None,
    input_usd_per_million: InputOption = None,
    cached_input_usd_per_million: CachedOption = None,
    output_usd_per_million: OutputOption = None,
    max_output_tokens: MaxOutputOption = None,
    max_input_tokens: MaxInputOption = None,
    fields: FieldsOption = None,
    json: AsJson = False,
) -> None:
    """Change a model, for every gateway at once; what is not named stays. Upstreams that are named replace all others.

    For example:

        keyhouse models update gpt-5-mini --upstream openai --upstream azure-se

        keyhouse models update tiny-1 --input-usd-per-million 0.20 --output-usd-per-million 0.80

        keyhouse models update painter-1 --fields prices.json
    """
    body = _written(fields) | _given(
        upstream,
        upstream_model,
        input_usd_per_million,
        cached_input_usd_per_million,
        output_usd_per_million,
        max_output_tokens,
        max_input_tokens,
    )
    if not body:
        raise Failure("name what to change, such as --upstream or --max-output-tokens.", Exit.USAGE)
    client = Client()
    _show(client.post(f"/models/{part(find(client, 'models', model))}", body), json)


@models_app.command
def delete(model: ModelName, /, *, json: AsJson = False) -> None:
    """Remove a model: its name is not served any more.

    For example:

        keyhouse models delete tiny-1
    """
    client = Client()
    gone = client.delete(f"/models/{part(find(client, 'models', model))}")
    if json:
        show_json(gone)
        return
    show_fields({"id": gone["id"], "status": "deleted"})


def _given(
    upstreams: list[str] | None,
    upstream_model: str | None,
    given_usd: str | None,
    cached_usd: str | None,
    output_usd: str | None,
    output_tokens: int | None,
    input_tokens: int | None,
) -> dict[str, Any]:
    fields = {
        "upstreams": None if upstreams is None else _served(upstreams),
        "upstream_model": upstream_model,
        "input_usd_per_million": given_usd,
        "cached_input_usd_per_million": cached_usd,
        "output_usd_per_million": output_usd,
        "max_output_tokens": output_tokens,
        "max_input_tokens": input_tokens,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _written(path: str | None) -> dict[str, Any]:
    """The fields that a file, or standard input, names."""
    if path is None:
        return {}
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
        return msgspec.json.decode(text, type=dict[str, Any])
    except (OSError, ValueError) as error:
        raise Failure(f"--fields: expected a JSON object in {path}: {error}.", Exit.USAGE) from None


def _served(upstreams: list[str]) -> list[str | dict[str, Any]]:
    """Names in their order; those with a weight are of the first rank of them."""
    served: list[str | dict[str, Any]] = []
    shared = next((place for place, text in enumerate(upstreams, 1) if "@" in text), 0)
    for text in upstreams:
        name, _, weight = text.partition("@")
        if not weight:
            served.append(name)
        elif weight.isdecimal():
            served.append({"name": name, "rank": shared, "weight": int(weight)})
        else:
            raise Failure(f"--upstream: expected a weight such as {name}@3, not {text!r}.", Exit.USAGE)
    return served


def _show(found: Json, json: bool) -> None:
    if json:
        show_json(found)
        return
    show_fields(
        {
            "id": found["id"],
            "name": found["name"],
            "upstreams": _upstreams(found),
            "USD per million": _price(found),
        }
    )


def _upstreams(found: Json) -> str:
    return ", ".join(each if isinstance(each, str) else each["name"] for each in found["upstreams"])


def _price(found: Json) -> str:
    if found["input_usd_per_million"] is None:
        return "known prices"
    return f"{found['input_usd_per_million']} in, {found['output_usd_per_million']} out"
