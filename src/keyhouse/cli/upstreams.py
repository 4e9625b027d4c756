"""`keyhouse upstreams`: list, show, create, update, delete, test."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.talk import AsJson, Exit, Failure, say, show_fields, show_json, show_one, show_table

upstreams_app: Final = App(name="upstreams", help="The servers that models run on.")

Auth = Literal["bearer", "api-key", "x-api-key"]

UpstreamName = Annotated[str, Parameter(help="The upstream, by its id or its name.")]
EnvOption = Annotated[
    str | None, Parameter(name="--api-key-env", help="The environment variable that holds its credential.")
]
FileOption = Annotated[Path | None, Parameter(name="--api-key-file", help="Or the file that holds it.")]
StdinOption = Annotated[
    bool, Parameter(name="--api-key-stdin", show_default=False, help="Or read it from standard input.")
]
AuthOption = Annotated[
    Auth | None, Parameter(help="How it wants the credential: as OpenAI (bearer), Azure or Anthropic does.")
]
VersionOption = Annotated[
    str | None, Parameter(name="--api-version", help="For Azure's addresses by deployment, such as 2024-10-21.")
]
MaximumOption = Annotated[
    bool | None,
    Parameter(
        name="--max-tokens-only",
        negative="--max-completion-tokens",
        help="It knows the maximum of an answer as max_tokens alone, as Ollama, LM Studio and Mistral do.",
    ),
]
ConnectOption = Annotated[float | None, Parameter(help="How long connecting may take, in seconds.")]
FirstByteOption = Annotated[float | None, Parameter(help="How long until the answer begins, in seconds.")]
IdleOption = Annotated[float | None, Parameter(help="How long between two pieces of a stream, in seconds.")]


@upstreams_app.command(name="list")
def list_upstreams(*, json: AsJson = False) -> None:
    """List the upstreams: those of the configuration, and those that were added.

    For example:

        keyhouse upstreams list

        keyhouse upstreams list --json
    """
    found = Client().every("/upstreams")
    if json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (each["id"], each["name"], each["base_url"], source(each), "" if each["has_credential"] is False else "yes")
        for each in found
    ]
    show_table(("ID", "NAME", "ADDRESS", "FROM", "CREDENTIAL"), rows)


@upstreams_app.command
def show(upstream: UpstreamName, /, *, json: AsJson = False) -> None:
    """Show an upstream with all that is set of it, but for its credential, which is never shown.

    For example:

        keyhouse upstreams show openai
    """
    client = Client()
    found = client.get(f"/upstreams/{part(find(client, 'upstreams', upstream))}")
    show_one(found, set_of(found), as_json=json)


@upstreams_app.command
def create(
    name: Annotated[str, Parameter(help="Your name for it.")],
    /,
    *,
    base_url: Annotated[str, Parameter(help="Its address up to before /chat/completions.")],
    api_key_env: EnvOption = None,
    api_key_file: FileOption = None,
    api_key_stdin: StdinOption = False,
    auth: AuthOption = None,
    api_version: VersionOption = None,
    max_tokens_only: MaximumOption = None,
    allow_private: Annotated[
        bool, Parameter(show_default=False, help="Allow http and private addresses, for a server of your own.")
    ] = False,
    connect_timeout_seconds: ConnectOption = None,
    first_byte_timeout_seconds: FirstByteOption = None,
    idle_timeout_seconds: IdleOption = None,
    json: AsJson = False,
) -> None:
    """Add an upstream. Its credential is stored encrypted and never shown again.

    For example:

        keyhouse upstreams create openai --base-url https://api.openai.com/v1 --api-key-env OPENAI_API_KEY

        keyhouse upstreams create local --base-url http://127.0.0.1:8000/v1 --allow-private

        keyhouse upstreams create azure --auth api-key --base-url https://a.openai.azure.com/openai/v1 --api-key-stdin
    """
    body = {"name": name, "base_url": base_url, "allow_private": allow_private} | _given(
        auth=auth,
        api_version=api_version,
        max_tokens_only=max_tokens_only,
        connect_timeout_seconds=connect_timeout_seconds,
        first_byte_timeout_seconds=first_byte_timeout_seconds,
        idle_timeout_seconds=idle_timeout_seconds,
    )
    credential = _credential(api_key_env, api_key_file, from_stdin=api_key_stdin)
    if credential is not None:
        body["api_key"] = credential
    _show(Client().post("/upstreams", body), json)


@upstreams_app.command
def update(
    upstream: UpstreamName,
    /,
    *,
    base_url: Annotated[
        str | None, Parameter(help="Another address. Another host needs its credential with it.")
    ] = None,
    api_key_env: EnvOption = None,
    api_key_file: FileOption = None,
    api_key_stdin: StdinOption = False,
    auth: AuthOption = None,
    api_version: VersionOption = None,
    max_tokens_only: MaximumOption = None,
    allow_private: Annotated[
        bool | None, Parameter(negative="--forbid-private", help="Allow private addresses.")
    ] = None,
    connect_timeout_seconds: ConnectOption = None,
    first_byte_timeout_seconds: FirstByteOption = None,
    idle_timeout_seconds: IdleOption = None,
    json: AsJson = False,
) -> None:
    """Change an upstream, for every gateway at once; what is not named stays.

    For example:

        keyhouse upstreams update openai --api-key-file new.key

        keyhouse upstreams update local --connect-timeout-seconds 2
    """
    client = Client()
    body = _given(
        base_url=base_url,
        auth=auth,
        api_version=api_version,
        max_tokens_only=max_tokens_only,
        allow_private=allow_private,
        connect_timeout_seconds=connect_timeout_seconds,
        first_byte_timeout_seconds=first_byte_timeout_seconds,
        idle_timeout_seconds=idle_timeout_seconds,
    )
    credential = _credential(api_key_env, api_key_file, from_stdin=api_key_stdin)
    if credential is not None:
        body["api_key"] = credential
    if not body:
        raise Failure("name what to change, such as --base-url or --api-key-env.", Exit.USAGE)
    _show(client.post(f"/upstreams/{part(find(client, 'upstreams', upstream))}", body), json)


@upstreams_app.command
def delete(upstream: UpstreamName, /, *, json: AsJson = False) -> None:
    """Remove an upstream that serves no model.

    For example:

        keyhouse upstreams delete local
    """
    client = Client()
    gone = client.delete(f"/upstreams/{part(find(client, 'upstreams', upstream))}")
    if json:
        show_json(gone)
        return
    show_fields({"id": gone["id"], "status": "deleted"})


@upstreams_app.command(name="test")
def try_upstream(
    upstream: UpstreamName,
    /,
    *,
    model: Annotated[
        str | None,
        Parameter(help="Ask this model, by its name there, for one token, too; it is not in the books."),
    ] = None,
    json: AsJson = False,
) -> int:
    """Ask an upstream something real and say what came of it; ends with 1 if it cannot be used.

    For example:

        keyhouse upstreams test openai

        keyhouse upstreams test openai --model gpt-5-mini
    """
    client = Client()
    found = client.post(f"/upstreams/{part(find(client, 'upstreams', upstream))}/test", {"model": model})
    if json:
        show_json(found)
    else:
        for step in found["steps"]:
            say(f"{step['step']}: {step['says']}")
    return Exit.OK if found["is_good"] else Exit.ERROR


def find(client: Client, kind: str, named: str) -> str:
    """The id of the upstream or model with this id or name; the one that is used, where two have a name."""
    found = client.every(f"/{kind}")
    for each in found:
        if named in (each["id"], each["name"]):
            return str(each["id"])
    raise Failure(f"there is no {kind[:-1]} {named!r}. `keyhouse {kind} list` shows them.", Exit.NOT_FOUND)


def _given(**fields: str | float | bool | None) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _credential(variable: str | None, file: Path | None, *, from_stdin: bool) -> str | None:
    """The credential from one of three places; it has no place on a command line, where every process can see it."""
    if (variable is not None) + (file is not None) + from_stdin > 1:
        raise Failure("name one of --api-key-env, --api-key-file and --api-key-stdin.", Exit.USAGE)
    if variable is not None:
        if not os.environ.get(variable):
            raise Failure(f"--api-key-env: the environment variable {variable} is not set.", Exit.USAGE)
        return os.environ[variable].strip()
    if file is not None:
        try:
            return file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise Failure(f"--api-key-file: {file} cannot be read: {error}.", Exit.USAGE) from None
    return sys.stdin.readline().strip() if from_stdin else None


def _show(found: Json, json: bool) -> None:
    if json:
        show_json(found)
        return
    show_fields(
        {
            "id": found["id"],
            "name": found["name"],
            "address": found["base_url"],
            "credential": "stored" if found["has_credential"] else "none",
        }
    )


def set_of(found: Json) -> dict[str, object]:
    """The fields of an upstream or a model that are set, in words."""
    return {name.replace("_", " "): value for name, value in found.items() if value is not None and name != "object"}


def source(found: Json) -> str:
    """Where an upstream or a model is from, and whether it is used."""
    if found["source"] == "configuration":
        return "configuration"
    return "added, not used: the configuration has one of this name" if found["is_shadowed"] else "added"
