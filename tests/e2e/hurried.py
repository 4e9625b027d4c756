"""Runs `keyhouse` with a second for heads and bodies to come instead of ten and sixty: python hurried.py serve ..."""

from functools import partial

from keyhouse import app
from keyhouse.cli import main, serve

serve.HEAD_SECONDS = 1.0  # type: ignore[misc]
app.GatewayHouse = partial(app.GatewayHouse, body_seconds_max=1.0)  # type: ignore[assignment,attr-defined]

if __name__ == "__main__":
    main.run()
