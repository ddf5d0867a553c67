"""Bars: prices and volumes of some symbols on one time axis, read from files and checked.

What a `Bars` holds is valid: times strictly increase, prices are positive and lie on their tick, and in every bar the
open and the close are within low and high. Numbers are ints in hundred-millionths, taken from the decimal text of the
file; a binary float in a Parquet file counts as the shortest text that reads back as it. Times are dates, or RFC 3339
in UTC. Its digest is the SHA-256 of what `write_csv` writes, whatever file the bars came from.

    a file -> formats: text -> cells: numbers and times -> series: a symbol each -> table: Bars

Not covered: corporate actions (an `Adj Close` is ignored), and files that do not fit in memory.
"""

from .cells import LARGEST_PRICE
from .errors import (
    BadBars,
    BadPrice,
    BadRequest,
    BadTime,
    Disorder,
    Duplicate,
    Gap,
    NoBars,
    NotATable,
    OffTick,
)
from .reading import read_bars
from .series import FIELDS, Columns
from .table import Bars, FilePath, part, write_csv

__all__ = [
    "FIELDS",
    "LARGEST_PRICE",
    "BadBars",
    "BadPrice",
    "BadRequest",
    "BadTime",
    "Bars",
    "Columns",
    "Disorder",
    "Duplicate",
    "FilePath",
    "Gap",
    "NoBars",
    "NotATable",
    "OffTick",
    "part",
    "read_bars",
    "write_csv",
]
