"""What every table is registered with, so that tables can live in several files."""

from typing import Final

from sqlalchemy import MetaData

METADATA: Final = MetaData()
