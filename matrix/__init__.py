"""The container matrix: every Apache with every Python and every process model, in one command."""

from pathlib import Path

HERE = Path(__file__).resolve().parent


class Ended(Exception):
    """What ends a cell early. log is the file that tells more, if it is not the cell's own."""

    log = ""


class Unavailable(Ended):
    """A cell's archive or image cannot be had. The text is the reason, on one line."""


class CellFailed(Ended):
    """An image, an object or a test of a cell failed. The text says which, on one line."""
