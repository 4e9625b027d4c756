"""What OpenAI's Admin API has and Keyhouse has not: asked for it, the answer names it. Pure."""

import re
from typing import Final

from keyhouse.admin.policy import ROOT

_FEATURES: Final = {
    "certificates": "certificates (mutual TLS): terminate TLS in front of it",
    "data_retention": "data retention controls: it stores no prompt and no answer",
    "external_keys": "external keys: what is secret in the database is encrypted under its own master key",
    "external_storage": "external storage: its database is its only one",
    "hosted_tool_permissions": "hosted tool permissions: it runs no tools",
    "service_tier_settings": "service tier settings: a call names its own tier",
    "workload_identity_providers": "workload identity providers: give a workload a service account's key",
}
"""By the part of the path that names it: what Keyhouse does not have, and what to do instead, or why."""

_PATH: Final = re.compile(rf"{re.escape(ROOT)}/(?:projects/[^/]+/)?({'|'.join(_FEATURES)})(?:/.*)?")


def feature_at(path: str) -> str | None:
    """What OpenAI has at this path and Keyhouse has not, with the reason; None for every other path."""
    match = _PATH.fullmatch(path)
    return None if match is None else _FEATURES[match[1]]
