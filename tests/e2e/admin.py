"""The administrator of a running Keyhouse: Keyhouse's own additions to OpenAI's Admin API, over HTTP."""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from e2e.processes import House


class Admin:
    """Acts with the admin key on the default project. Every verb must succeed."""

    def __init__(self, house: House) -> None:
        self.project_id = house.established["project_id"]
        self.admin_key = house.established["admin_key"]
        self.organization_id = house.established["organization_id"]
        self._client = httpx.Client(
            base_url=f"{house.url}/v1/organization",
            headers={"authorization": f"Bearer {house.established['admin_key']}"},
            timeout=30,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: object = None) -> Any:
        """Ask the Admin API; the answer's JSON."""
        sent = None if body is None else json.dumps(body)
        headers = {} if sent is None else {"content-type": "application/json"}
        answer = self._client.request(method, path, params=query, content=sent, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def create_key(self, name: str = "e2e", **fields: object) -> dict[str, Any]:
        """Make an API key in the project; its secret is in `value`."""
        made = self.ask("POST", f"/projects/{self.project_id}/api_keys", body={"name": name, **fields})
        assert isinstance(made, dict)
        return made

    def key(self, key_id: str) -> dict[str, Any]:
        """The key as it is now."""
        found = self.ask("GET", f"/projects/{self.project_id}/api_keys/{key_id}")
        assert isinstance(found, dict)
        return found

    def rotate(self, key_id: str, overlap_seconds: int) -> dict[str, Any]:
        """Give the key a new secret; it is in `value`."""
        rotated = self.ask(
            "POST",
            f"/projects/{self.project_id}/api_keys/{key_id}/rotate",
            body={"overlap_seconds": overlap_seconds},
        )
        assert isinstance(rotated, dict)
        return rotated

    def disable(self, key_id: str) -> None:
        """Refuse the key until it is enabled again."""
        self.ask("POST", f"/projects/{self.project_id}/api_keys/{key_id}/disable")

    def revoke(self, key_id: str) -> None:
        """Refuse the key for ever."""
        self.ask("DELETE", f"/projects/{self.project_id}/api_keys/{key_id}")

    def limit(self, scope: tuple[str, str], unit: str, window: str, amount: str) -> dict[str, Any]:
        """Set a limit on `(type, id)`."""
        made = self.ask(
            "POST",
            "/limits",
            body={"scope": {"type": scope[0], "id": scope[1]}, "unit": unit, "window": window, "amount": amount},
        )
        assert isinstance(made, dict)
        return made
