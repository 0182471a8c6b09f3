"""The committed table is what the families give now, and every reason in it is true of the architecture."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.families import Family, Tower, all_families, named
from tests.families.committed import cells, page, remarks
from tests.families.standing import SITES, standing_of
from tests.families.table import absent_of, document, line_of, remarks_of, section_of

Folder = Callable[[str], Path]
FAST = ("gpt2", "phi", "bert", "mixtral", "vit", "opt_post", "gptj", "swin")
BUILT = [f for f in all_families() if not f.unbuildable]
KNOWN = [f for f in BUILT if f.facts.towers]
each_known = pytest.mark.parametrize("family", KNOWN, ids=lambda family: family.name)


@pytest.mark.parametrize("name", FAST)
def test_lines_are_what_the_families_give(name: str, folder: Folder) -> None:
    same_as_committed(named(name), folder(name))


@pytest.mark.slow
@pytest.mark.parametrize("family", BUILT, ids=lambda family: family.name)
def test_all_lines_are_what_the_families_give(family: Family, folder: Folder) -> None:
    same_as_committed(family, folder(family.name))


def same_as_committed(family: Family, folder: Path) -> None:
    standing = standing_of(family, folder)
    assert line_of(standing) in page().splitlines()
    assert remarks_of(standing) == [f"- {x}" for x in remarks(family.name)]
    assert section_of(standing) in page()
    for site, why in absent_of(standing).items():
        assert f"- `{site}`: {why}: " in page()


def test_the_table_has_every_family() -> None:
    listed = re.findall(r"^\| (\w+) \|(?! `)", page(), re.MULTILINE)
    assert listed == [f.name for f in BUILT]
    assert len(listed) >= 40


def test_the_header_counts_the_cells() -> None:
    counted = re.search(r"\*\*(\d+) families; (\d+) of (\d+) cells .*; (\d+) are proven: ([\d.]+)%", page())
    assert counted is not None
    families, own, of, proven = map(int, counted.groups()[:4])
    letters = "".join({"●": "ppp", "–": "–––"}.get(c, c) for f in BUILT for c in cells(f.name).values())
    assert (families, of) == (len(BUILT), len(letters)) == (len(BUILT), 3 * len(SITES) * len(BUILT))
    assert (own, proven) == (sum(x != "–" for x in letters), letters.count("p"))
    assert proven / own >= 0.95


@each_known
def test_what_is_absent_is_absent_from_the_architecture(family: Family) -> None:
    """Both ways: nothing else is absent, and nothing that is not there is listed."""
    found = {site for site, cell in cells(family.name).items() if cell.startswith("–")}
    assert found == set(expected(family))


def expected(family: Family) -> dict[str, str]:
    """The sites that no tower of a family has, by its hand-written facts, and a word of the reason."""
    towers = family.facts.towers

    def none(test: Callable[[Tower], object]) -> bool:
        return not any(test(t) for t in towers)

    lacks = {
        "resid_mid": (none(lambda t: t.norm != "parallel"), "same stream"),
        "final_norm": (none(lambda t: t.final_norm), "no norm"),
        "router": (none(lambda t: t.experts), "experts"),
        "expert.out": (none(lambda t: t.experts), "experts"),
        "mlp.neuron": (none(lambda t: len(t.sparse) < t.layers), "experts"),
        "out": (len(towers) == 1, "only tower"),
        "projector.out": (not family.facts.image_tokens, "image"),
        "@ image": (not family.facts.image_tokens, "image"),
    }
    crossed = [s for s in SITES if s.startswith("cross.")]
    lacks |= {s: (none(lambda t: t.cross), "no other tower") for s in crossed}
    return {site: word for site, (absent, word) in lacks.items() if absent}


@each_known
def test_the_reason_of_an_absence_is_the_true_one(family: Family) -> None:
    for site, word in expected(family).items():
        said = [x for x in page().splitlines() if x.startswith(f"- `{site}`: ")]
        own = [x for x in said if family.name in x.rpartition(": ")[2].split(", ")]
        (line,) = own or [x for x in said if x.endswith(": all others")]
        assert word in line


@each_known
def test_what_one_tower_lacks_is_said(family: Family) -> None:
    """A norm that one of two towers lacks; layers that nothing reads."""
    said = remarks(family.name)
    normed = [bool(t.final_norm) for t in family.facts.towers]
    assert any(": final_norm: absent" in x for x in said) == (len(set(normed)) > 1)
    layer = family.facts.vision_layer
    unread = {int(n) for x in said for n in re.findall(r"gradient vision\.layer\[(\d+)\].*: absent", x)}
    if layer is not None:
        depth = next(t.layers for t in family.facts.towers if t.name == "vision")
        assert unread == set(range(layer % (depth + 1), depth))


@each_known
def test_attentions_that_a_family_lacks_are_named_with_their_cause(family: Family) -> None:
    for attention, why in family.missing.items():
        assert f"no {attention}: {why}" in remarks(family.name)


def test_what_is_refused_is_what_the_architecture_breaks() -> None:
    """A family without towers of one width; a stream to which something is added between two blocks."""
    broken = {f.name for f in BUILT if any("r" in c for c in cells(f.name).values())}
    unlike = {f.name for f in BUILT if not f.facts.towers}
    between = {f.name for f in BUILT if "is not the next stream" in " ".join(f.notes.split())}
    assert broken == unlike | between
    for name in unlike:
        assert all(x.startswith("float") and "stream + attention + MLP = next stream" in x for x in remarks(name))
    for name in between:
        refused = [x for x in remarks(name) if "refused" in x]
        assert refused
        assert all(re.match(r"\w+ resid\[[12]\]: refused: .*the stream is what its block is given", x) for x in refused)


def test_a_cell_that_is_not_proven_has_its_reason_below() -> None:
    for family in BUILT:
        odd = {site: c for site, c in cells(family.name).items() if set(c) & set("ir")}
        assert not odd or any("refused" in x or "inferred" in x for x in remarks(family.name)), family.name


def test_the_page_counts_what_it_is_given(folder: Folder) -> None:
    """One family alone makes a page with its own share."""
    standing = standing_of(named("gpt2"), folder("gpt2"))
    own = [v for v in standing.cells.values() if v.status != "absent"]
    proven = sum(v.status == "proven" for v in own)
    assert f"**1 families; {len(own)} of {3 * len(SITES)} cells" in document([standing])
    assert f"{proven} are proven: {proven / len(own):.1%}" in document([standing])
