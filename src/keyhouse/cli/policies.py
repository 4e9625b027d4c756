"""`keyhouse policies`: what the organization wants of its keys."""

from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from keyhouse.cli import forms
from keyhouse.cli.client import Client, Json
from keyhouse.cli.talk import AsJson, Exit, Failure, show_fields, show_json

policies_app: Final = App(name="policies", help="What the organization wants of its keys.")


@policies_app.command
def show(*, json: AsJson = False) -> None:
    """Show the organization's policy.

    For example:

        keyhouse policies show
    """
    _show(Client().get("/policies"), as_json=json)


@policies_app.command(name="set")
def set_policies(
    *,
    key_life: Annotated[str | None, Parameter(help="The longest life of a key: 90d, or none.")] = None,
    key_life_default: Annotated[str | None, Parameter(help="The life of a key without an end: 30d, or none.")] = None,
    rotation: Annotated[str | None, Parameter(help="How old a secret should become: 90d, or none.")] = None,
    makers: Annotated[str | None, Parameter(help="Who creates keys: members or owners.")] = None,
    models: Annotated[
        tuple[str, ...], Parameter(name="--model", show_default=False, help="A model keys may be given.")
    ] = (),
    any_model: Annotated[bool, Parameter(show_default=False, help="Let keys be given every model.")] = False,
    budget: Annotated[
        tuple[str, ...], Parameter(show_default=False, help="Dollars on each new key, such as 25/month.")
    ] = (),
    no_budget: Annotated[bool, Parameter(show_default=False, help="Put no limits on new keys.")] = False,
    json: AsJson = False,
) -> None:
    """Change the policy; what is not named stays. Keys that break it live on, and show that they do.

    For example:

        keyhouse policies set --key-life 90d --rotation 30d --budget 25/month
    """
    body: dict[str, Any] = {}
    for field, text, option in (
        ("key_days_max", key_life, "--key-life"),
        ("key_days_default", key_life_default, "--key-life-default"),
        ("rotation_days", rotation, "--rotation"),
    ):
        if text is not None:
            body[field] = None if text == "none" else _days(text, option)
    if makers is not None:
        body["key_makers"] = makers
    if models or any_model:
        body["models"] = list(models) or None
    if budget or no_budget:
        body["key_limits"] = [forms.budget(each) for each in budget]
    if not body:
        raise Failure("nothing to change: give at least one option. See `keyhouse policies set --help`.", Exit.USAGE)
    _show(Client().post("/policies", body), as_json=json)


def _days(text: str, option: str) -> int:
    seconds = forms.duration(text, option)
    if seconds % 86_400:
        raise Failure(f"{option}: expected whole days such as 90d, not {text!r}.", Exit.USAGE)
    return seconds // 86_400


def _show(found: Json, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    fields: dict[str, object] = {
        "longest life": _said(found["key_days_max"]),
        "usual life": _said(found["key_days_default"]),
        "rotation": _said(found["rotation_days"]),
        "makers": found["key_makers"],
        "models": "all" if found["models"] is None else found["models"],
    }
    for limit in found["key_limits"]:
        fields[f"limit {limit['unit']}/{limit['window']}"] = limit["amount"]
    show_fields(fields)


def _said(days: int | None) -> str | None:
    return None if days is None else f"{days} days"
