"""The list of models, as clients of Anthropic's API see it."""

from datetime import UTC, datetime

import msgspec

from keyhouse.gateway.routing import Model


def shown(model: Model) -> dict[str, object]:
    """A model as Anthropic's API shows it."""
    created = datetime.fromtimestamp(model.created_at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": model.name, "display_name": model.name, "created_at": created}


def listed(models: list[Model]) -> bytes:
    """The list of models in Anthropic's form, all on one page."""
    ends = [models[0].name, models[-1].name] if models else [None, None]
    page = {"data": [shown(model) for model in models], "has_more": False, "first_id": ends[0], "last_id": ends[1]}
    return msgspec.json.encode(page)
