"""Runs `keyhouse` with two seconds for heads and bodies to come instead of ten and sixty: python hurried.py serve ...

It says on stderr whenever the gateway asks the database for a credential.
"""

import sys
from functools import partial
from typing import Any, Final

from keyhouse import app
from keyhouse.cli import main, serve
from keyhouse.gateway import authenticate
from keyhouse.store.keys import find_credential

ASKED: Final = "the database was asked for a credential"


def _said(connection: Any, digest: bytes) -> Any:
    print(ASKED, file=sys.stderr, flush=True)  # noqa: T201  the test reads it
    return find_credential(connection, digest)


if __name__ == "__main__":
    serve.HEAD_SECONDS = 2.0  # type: ignore[misc]
    app.GatewayHouse = partial(app.GatewayHouse, body_seconds_max=2.0)  # type: ignore[assignment,attr-defined]
    authenticate.find_credential = _said  # type: ignore[attr-defined]
    main.run()
