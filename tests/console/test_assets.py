"""The pages' files: hashed names, nothing else."""

import pytest

from console.given_console import Console
from keyhouse.console.assets import load_assets

pytestmark = pytest.mark.asyncio


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
