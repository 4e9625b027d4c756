"""Runs `keyhouse` behind uvicorn instead of its own server: python by_uvicorn.py serve ..."""

import uvicorn

from keyhouse.app import House
from keyhouse.cli import main, serve


async def _run(house: House, host: str, port: int, url: str) -> None:
    settings = uvicorn.Config(
        house.doors, host=host, port=port, lifespan="off", log_config=None, ws="websockets-sansio"
    )
    await uvicorn.Server(settings).serve()


serve._run = _run

if __name__ == "__main__":
    main.run()
