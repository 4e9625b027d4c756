"""Refusals and faults as pages."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from console.given_console import Console
from keyhouse.store.engine import Unavailable

pytestmark = pytest.mark.asyncio


async def test_a_page_that_is_not_there_is_told_kindly(at_home: Console) -> None:
    answer = await at_home.browser.get("/nowhere")
    assert answer.status_code == 404
    assert "This page is not here" in answer.text
    assert "Traceback" not in answer.text


async def test_when_the_session_ends_htmx_is_led_to_sign_in(at_home: Console) -> None:
    at_home.browser.cookies.clear()
    answer = await at_home.browser.get("/api-keys/new", headers={"hx-request": "true"})
    assert answer.headers["hx-redirect"] == "/sign-in"


async def test_a_refusal_inside_a_page_comes_as_a_dialog(at_home: Console) -> None:
    answer = await at_home.browser.get("/api-keys/key_0000000000/revoke", headers={"hx-request": "true"})
    assert answer.status_code == 404
    assert '<div id="overlay">' in answer.text
    assert "<dialog" in answer.text


async def test_a_mistake_of_ours_is_logged_and_told_without_its_inside(at_home: Console) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("the inside of the house")

    # The desk is frozen for the product; a test may break it.
    object.__setattr__(at_home.desk, "names", broken)
    key_id, _ = await at_home.create("alpha")
    with capture_logs() as logs:
        answer = await at_home.browser.get(f"/api-keys/{key_id}")
    assert answer.status_code == 500
    assert "Keyhouse made a mistake" in answer.text
    assert "inside of the house" not in answer.text
    assert [line["event"] for line in logs] == ["console_fault"]


async def test_a_database_that_does_not_answer_is_told_as_such_and_logged(at_home: Console) -> None:
    async def gone(*_: Any) -> None:
        raise Unavailable("the disk is on fire")

    object.__setattr__(at_home.desk.sessions._database, "read", gone)
    with capture_logs() as logs:
        answer = await at_home.browser.get("/api-keys")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "The database cannot be used right now." in answer.text
    assert "fire" not in answer.text
    assert [line["internal"] for line in logs] == ["the disk is on fire"]
