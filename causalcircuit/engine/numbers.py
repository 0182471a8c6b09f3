"""Numbers of rows for networks that are fed numbers."""

from __future__ import annotations

from causalcircuit.engine.problems import Problems
from causalcircuit.models import RowError
from causalcircuit.query import Column, Expr, ModelRef, render
from causalcircuit.query.network import Numbers, numbers_in
from causalcircuit.rows import Dataset


def numbers_of(ref: ModelRef, source: Expr, data: Dataset, problems: Problems) -> list[Numbers | None]:
    """What a column feeds a network in each row; `None` where it holds something else (problems are kept)."""
    found: list[Numbers | None] = [None] * data.n
    if not isinstance(source, Column):
        raise TypeError(f"{render(source)} feeds no numbers")  # the API lets only columns through
    shape = ", ".join(map(str, ref.shape))
    with problems.keep():
        for i, value in enumerate(data.column(source.name, source.span)):
            with problems.at(i, source.span):
                found[i] = numbers_in(value, ref.shape)
                if found[i] is None:
                    raise RowError(
                        "CQ562", f"`row.{source.name}` feeds `{ref.name}` not ({shape},) numbers", f"{value!r:.60}",
                        "every row holds equally many finite numbers, in lists of lists where there are positions",
                    )  # fmt: skip
    return found
