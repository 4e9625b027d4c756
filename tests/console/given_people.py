"""Other people at the console, who came in by an invite's link through its pages."""

import html
import re

from console.given_console import Console

PASSPHRASE = "a long enough passphrase"


def link_on(page: str) -> str:
    """The path of the one-time link that a page shows."""
    found = re.search(r'<code id="secret"[^>]*>http://[^/]+([^<]+)</code>', page)
    assert found is not None, page
    return html.unescape(found[1])


async def invite(console: Console, email: str, role: str, **fields: str) -> str:
    """Invite someone; the path of their link."""
    answer = await console.send("/members/invite", form_at="/members/invite", email=email, role=role, **fields)
    assert answer.status_code == 201, answer.text
    return link_on(answer.text)


async def join(console: Console, email: str, name: str, role: str, **fields: str) -> str:
    """Someone who is here from now on; their id. Whoever looked before looks on."""
    path = await invite(console, email, role, **fields)
    kept = dict(console.browser.cookies)
    console.browser.cookies.clear()
    answer = await console.send(path, form_at=path, name=name, password=PASSPHRASE)
    assert answer.status_code == 303, answer.text
    console.browser.cookies.clear()
    console.browser.cookies.update(kept)
    return await id_of(console, name)


async def id_of(console: Console, name: str) -> str:
    """The id of someone on the list."""
    found = re.search(rf'href="/members/(user-[^"]+)">{re.escape(name)}<', await console.page("/members"))
    assert found is not None
    return found[1]


async def become(console: Console, email: str, password: str = PASSPHRASE) -> None:
    """Sign in as someone else."""
    console.browser.cookies.clear()
    answer = await console.send("/sign-in", form_at="/sign-in", email=email, password=password)
    assert answer.status_code == 303, answer.text
