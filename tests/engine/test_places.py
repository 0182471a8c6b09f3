"""Slices of a tensor that lie here and there are read, and written, as one by one."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.engine.places import Places, gather, scatter
from causalcircuit.query import SiteInfo

_SIZE, _LINES = 12, 5


def _info(start: int, width: int, key: int | None = None) -> SiteInfo:
    return SiteInfo("x", "x", start, start + width, _SIZE, "", 0, 0, "", key)


@st.composite
def _slices(draw: st.DrawFn) -> list[Places]:
    """Slices of several widths, aligned or not, of which no two overlap; some are of no place at all."""
    taken: set[tuple[int, int]] = set()
    found: list[Places] = []
    for _ in range(draw(st.integers(0, 6))):
        width = draw(st.sampled_from([1, 2, 3, 4, 5, _SIZE]))
        start = draw(st.integers(0, _SIZE - width))
        rows = draw(st.lists(st.integers(0, _LINES - 1), unique=True, max_size=_LINES))
        rows = [r for r in rows if not any((r, c) in taken for c in range(start, start + width))]
        taken.update((r, c) for r in rows for c in range(start, start + width))
        found.append(Places(_info(start, width), (), rows))
    return found


@settings(max_examples=150)
@given(_slices(), st.booleans(), st.data())
def test_slices_are_written_and_read_as_one_by_one(places: list[Places], turned: bool, data: st.DataObject) -> None:
    tensor = torch.arange(_LINES * _SIZE, dtype=torch.float64)
    tensor = tensor.view(_SIZE, _LINES).t() if turned else tensor.view(_LINES, _SIZE)
    for p, found in zip(places, gather(tensor, places), strict=True):
        assert torch.equal(found, tensor[p.rows, p.info.start : p.info.stop])
    values, wanted = [], tensor.clone()
    for k, p in enumerate(places):
        lines = data.draw(st.sampled_from([1, len(p.rows)]))
        width = data.draw(st.sampled_from([1, p.info.width]))
        values.append(-1.0 - torch.arange(lines * width, dtype=torch.float64).view(lines, width) - 100 * k)
        wanted[p.rows, p.info.start : p.info.stop] = values[-1]
    new = tensor.clone()
    scatter(new, places, values)
    assert torch.equal(new, wanted)


def test_places_of_an_attention_pattern() -> None:
    tensor = torch.rand(4, 3, 6)
    places = [Places(_info(2, 1, key=0), (), [0, 3], [5, 1]), Places(_info(0, 1, key=2), (), [3], [1])]
    one, two = gather(tensor, places)
    assert torch.equal(one, tensor[[0, 3], 2, [5, 1]][:, None])
    assert torch.equal(two, tensor[[3], 0, [1]][:, None])
    wanted = tensor.clone()
    wanted[[0, 3], 2, [5, 1]], wanted[3, 0, 1] = 7.0, 8.0
    scatter(tensor, places, [torch.full((1, 1), 7.0), torch.full((1, 1), 8.0)])
    assert torch.equal(tensor, wanted)
