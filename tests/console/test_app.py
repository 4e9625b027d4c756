"""What the app is built of: routes with policies, files with names that never change."""

import pytest
from litestar import Litestar, get

from console.given_console import Console
from keyhouse.console.app import refuse_routes_without_policy
from keyhouse.console.assets import load_assets

pytestmark = pytest.mark.asyncio


async def test_a_route_without_a_policy_does_not_start() -> None:
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> None: ...

    with pytest.raises(ValueError, match="/forgotten"):
        refuse_routes_without_policy(Litestar([forgotten], openapi_config=None, logging_config=None))


async def test_pages_name_files_that_are_there(console: Console) -> None:
    assets = load_assets()
    page = await console.page("/set-up")
    for path in (assets.script, assets.style):
        assert path in page
        answer = await console.browser.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        again = await console.browser.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304


async def test_no_path_leads_out_of_the_files(console: Console) -> None:
    for path in (
        "manifest.json",
        "../policy.py",
        "assets/../manifest.json",
        "assets/%2e%2e/manifest.json",
        "/etc/passwd",
    ):
        assert (await console.browser.get(f"/static/{path}")).status_code == 404


async def test_pages_hold_no_inline_script_and_no_style_attribute(at_home: Console) -> None:
    _, _ = await at_home.create()
    for path in ("/api-keys", "/api-keys/new", "/usage"):
        page = await at_home.page(path)
        assert "style=" not in page
        assert "onclick" not in page
        assert page.count("<script") == page.count('<script type="module" src="/static/')
