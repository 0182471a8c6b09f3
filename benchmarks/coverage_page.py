"""The page of the coverage table: cells as Markdown, one line for an estimand, a method and a kind of rows."""

from __future__ import annotations

from itertools import groupby

from benchmarks.coverage_cells import BAR, UNITS, Covered

GRID_LEGEND = """\
Every estimator on every kind of rows: the share of simulated data sets whose 95% interval covers the truth, of those
that get an interval. *30*, *200*, *2,000*: sampling units (rows, or clusters of four). Rows: *normal*; *skewed*,
exponential; *heavy-tailed*, Student's t with 3 degrees of freedom; *clustered*, half of the variance between
clusters; *discrete*, Poisson counts of mean 1. *none*: the share of data sets without an interval, where it is above
1%: 30 independent rows cannot bound their 90% quantile on both sides, and the report says so. *width*: median of 30,
200, 2,000. Of a permutation test, which has no interval, the share in which the truth is not rejected at 5%. The
*default* of each estimand promises at least 94%; a bold share breaks the promise, tested exactly by the binomial,
with Holm over all cells of defaults at 5%. Shares of exact intervals lie above 95% where values are few.
"""


def grid_table(found: list[Covered], broken: list[Covered]) -> str:
    """Markdown: cells of one line side by side over the numbers of units."""
    sizes = " | ".join(f"{n:,}" for n in UNITS)
    out = [
        f"| estimand | method | rows | {sizes} | width | none | data sets |",
        "|---|---|---|---:|---:|---:|---|---|---|",
    ]
    for (name, method, rows), group in groupby(found, key=lambda x: (x.cell.estimand.name, x.cell.method, x.cell.rows)):
        by_units = {x.cell.units: x for x in group}
        line = [by_units[n] for n in UNITS if n in by_units]
        shares = " | ".join(_share(x, x in broken) for x in line)
        width = (
            "" if method == "permutation" else ", ".join("–" if x.width != x.width else f"{x.width:.3g}" for x in line)
        )
        none = (
            ", ".join(f"{x.undefined / x.sims:.0%}" for x in line)
            if any(x.undefined > 0.01 * x.sims for x in line)
            else ""
        )
        sims = ", ".join(f"{x.sims:,}" for x in line)
        out.append(f"| {name} | {method} | {rows} | {shares} | {width} | {none} | {sims} |")
    return "\n".join(out)


def _share(x: Covered, broken: bool) -> str:
    if x.undefined == x.sims:
        return "–"
    shown = f"{100 * x.share:.1f}%"
    return f"**{shown}**" if broken else shown


def grid_page(found: list[Covered], broken: list[Covered], made: str) -> str:
    """The section of the grid."""
    promised = [x for x in found if x.cell.promised and x.undefined < x.sims]
    worst = min(promised, key=lambda x: x.share)
    said = (
        f"{len(promised)} cells of defaults have intervals; {len(broken) or 'none'} of them "
        f"{'breaks' if len(broken) < 2 else 'break'} the promise of {BAR:.0%}. The lowest share is "
        f"{100 * worst.share:.1f}% ({worst.cell.estimand.name}, {worst.cell.rows}, {worst.cell.units:,} units)."
    )
    return f"{made}\n\n{GRID_LEGEND}\n{said}\n\n{grid_table(found, broken)}\n"
