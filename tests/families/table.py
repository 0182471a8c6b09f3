"""`docs/families.md`: what is proven of each family's sites.  `python -m tests.families.table` writes it anew.

Every status is measured: each family is loaded as a user loads it, with both attentions and in both types.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.families import Family, all_families, named
from tests.families.standing import OPERATIONS, SITES, Standing, standing_of

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "families.md"
_LETTERS = {"proven": "p", "inferred": "i", "refused": "r", "absent": "–"}
_INTRODUCTION = """\
# Families

What is proven of the sites of each family, on a tiny model with random weights, loaded as any other.

(Made by `python -m tests.families.table`; a test makes it anew and compares.)

A cell stands for three operations: **observe**, **assign**, **gradient**. `●`: all three are proven, in every layer,
in float32 and float64, under `sdpa` and `eager` (the pattern: under `eager`, as no other attention calculates one).
`–`: the architecture has no such site. Else a letter for each operation: `p` proven, `i` inferred (proven when it is
first assigned), `r` refused, `–` absent; its reason stands below. `logits` are read and differentiated, never
assigned. `out` is `m.encoder.out` or `m.vision.out`; `@ image` stands for the image tokens of a language model's
stream. Where a model has two towers, a cell is the worse of both.
"""


def cells_of(standing: Standing) -> list[str]:
    """A family's cells in the order of `SITES`."""
    said = []
    for site in SITES:
        letters = "".join(_LETTERS[standing.cells[site, o].status] for o in OPERATIONS)
        said.append({"ppp": "●", "–––": "–"}.get(letters, letters))
    return said


def line_of(standing: Standing) -> str:
    """A family's line of the table."""
    return f"| {standing.family} | {' | '.join(cells_of(standing))} |"


def remarks_of(standing: Standing) -> list[str]:
    """What stands below the table: what holds of the whole family, and tensors that stand worse than others."""
    said = [f"{what}: {verdict.status}: {verdict.reason}" for what, verdict in standing.details]
    return [f"- {line}" for line in [*standing.exceptions, *said]]


def section_of(standing: Standing) -> str:
    """A family's remarks under its name; empty where there are none."""
    remarks = remarks_of(standing)
    return "\n".join([f"### {standing.family}", "", *remarks, ""]) if remarks else ""


def absent_of(standing: Standing) -> dict[str, str]:
    """The sites that a family has not, with the reason."""
    return {s: v.reason for s in SITES if (v := standing.cells[s, "observe"]).status == "absent"}


def document(standings: Iterable[Standing]) -> str:
    """The whole page."""
    rows = list(standings)
    verdicts = [v for s in rows for v in s.cells.values()]
    own = [v for v in verdicts if v.status != "absent"]
    proven = sum(v.status == "proven" for v in own)
    counted = (
        f"**{len(rows)} families; {len(own)} of {len(verdicts)} cells (family × site × operation) exist; "
        f"{proven} are proven: {proven / len(own):.1%} of those that exist, {proven / len(verdicts):.1%} of all.**"
    )
    head = f"| family | {' | '.join(f'`{s}`' for s in SITES)} |\n|---|{'---|' * len(SITES)}"
    table = "\n".join([head, *(line_of(s) for s in rows)])
    reasons: dict[str, dict[str, list[str]]] = {}
    for s in rows:
        for site, why in absent_of(s).items():
            reasons.setdefault(site, {}).setdefault(why, []).append(s.family)
    why = [
        f"- `{site}`: {reason}: {'all others' if len(of) > len(rows) / 2 else ', '.join(of)}"
        for site in SITES
        for reason, of in sorted(reasons.get(site, {}).items(), key=lambda pair: len(pair[1]))
    ]
    sections = [text for s in rows if (text := section_of(s))]
    parts = [_INTRODUCTION, counted, table, "## Why a site is absent", "\n".join(why), "## Exceptions", *sections]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def standings(families: Iterable[Family], root: Path) -> Iterable[Standing]:
    """Build and judge each family."""
    for family in families:
        folder = root / family.name
        folder.mkdir()
        family.build(folder)
        yield standing_of(family, folder)


def main(names: list[str]) -> None:
    """Write the page, or print the lines of the families that are named."""
    with tempfile.TemporaryDirectory() as root:
        if names:
            for standing in standings(map(named, names), Path(root)):
                print(line_of(standing), section_of(standing), sep="\n")
        else:
            buildable = [f for f in all_families() if not f.unbuildable]
            DOCUMENT.write_text(document(standings(buildable, Path(root))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
