"""What the app is built of: routes with policies."""

import pytest
from litestar import Litestar, get

from keyhouse.console.app import refuse_routes_without_policy

pytestmark = pytest.mark.asyncio


async def test_a_route_without_a_policy_does_not_start() -> None:
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> None: ...

    with pytest.raises(ValueError, match="/forgotten"):
        refuse_routes_without_policy(Litestar([forgotten], openapi_config=None, logging_config=None))
