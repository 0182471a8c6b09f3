"""What can be wrong with one row: collected over all rows before it is told."""

from __future__ import annotations


class RowError(ValueError):
    """Something wrong in one row, told once for all rows that share it.

    Attributes:
        code: of the catalogue.
        what: what is wrong, in words that hold for every such row.
        detail: this row's own part of it.
        help: the way out.
    """

    def __init__(self, code: str, what: str, detail: str = "", help: str = "") -> None:
        """Describe the problem."""
        super().__init__(f"{what}: {detail}" if detail else what)
        self.code, self.what, self.detail, self.help = code, what, detail, help
