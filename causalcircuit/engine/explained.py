"""What dictionaries leave unexplained on the rows at hand: one of another site, or another model, shows itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch
from torch import Tensor

from causalcircuit.diagnostics import Diagnostic, error
from causalcircuit.engine.batches import Slot
from causalcircuit.engine.passes import feeds_of
from causalcircuit.engine.prepared import Prepared, Setup, awaited
from causalcircuit.engine.reads import Reads
from causalcircuit.models import Codec, Feed, LoadedModel, codec_of, places_of
from causalcircuit.query import Site
from causalcircuit.query.dictionary import Dictionary

_ROWS = 16
_PLACES = 2048
_LARGE = 0.5


def unexplained(prepared: Prepared) -> Iterator[Diagnostic]:
    """A remark on each dictionary that the plan reads or assigns.

    Measured without assignments on the first rows: the squared error over the squared distance to the mean. Causal
    texts are counted from their second position on: many models put a huge vector on the first one, whatever stands
    there, and dictionaries are not trained on it.

    Raises:
        DiagnosticError: CQ555, the error is larger than that of no dictionary at all.
    """
    for setup in _first(prepared):
        model = setup.model
        named = {s.address.attached for s in _sites(prepared, model.ref.name)} - {""}
        for dictionary in model.ref.dictionaries:
            if dictionary.name in named:
                yield _judged(model, dictionary, _measured(prepared, setup, dictionary))


def check_explained(prepared: Prepared, names: Collection[str]) -> None:
    """Refuse dictionaries of some names, which the plan need not mention.

    Raises:
        DiagnosticError: CQ555, as `unexplained`.
    """
    for setup in _first(prepared):
        for dictionary in setup.model.ref.dictionaries:
            if dictionary.name in names:
                _judged(setup.model, dictionary, _measured(prepared, setup, dictionary))


def _sites(prepared: Prepared, model: str) -> Iterator[Site]:
    for run in prepared.plan.runs:
        if run.model == model:
            yield from (s for s in (*run.targets, *run.reads) if isinstance(s, Site))


def _first(prepared: Prepared) -> Iterator[Setup]:
    """The first world of each model that has dictionaries."""
    seen: set[str] = set()
    for setup in prepared.setups:
        known = not setup.model.sketched and not awaited(setup.run)  # nobody can look at a text that is not written yet
        if known and setup.model.ref.dictionaries and setup.run.model not in seen:
            seen.add(setup.run.model)
            yield setup


def _measured(prepared: Prepared, setup: Setup, dictionary: Dictionary) -> float | None:
    """The share of the variance that is left; `None` where there is no variance."""
    model, codec = setup.model, codec_of(setup.model, dictionary.name)
    errors: list[Tensor] = []
    values: list[Tensor] = []
    for feed in _feeds(prepared, setup):
        error_, value = _looked(model, codec, feed)
        errors.append(error_)
        values.append(value)
        if sum(map(len, values)) >= _PLACES:
            break
    left, whole = torch.cat(errors), torch.cat(values)
    spread = float((whole - whole.mean(0)).square().sum())
    return None if spread == 0 else float(left.square().sum()) / spread


def _feeds(prepared: Prepared, setup: Setup) -> Iterator[Feed]:
    """What the first rows feed."""
    reads = Reads(prepared)
    for row in range(min(_ROWS, prepared.data.n)):
        slot = Slot(0, setup, (row,), row, ((0,),))
        yield feeds_of(setup.model, slot, row, reads)[0]


def _looked(model: LoadedModel, codec: Codec, feed: Feed) -> tuple[Tensor, Tensor]:
    """[places, components] error and value at the site that is written, in float64."""
    batch = model.batch([feed])
    seen: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        seen[name] = value
        return value

    model.forward(batch, {codec.reads, codec.writes}, keep)
    stand = model.taps[codec.writes].stand
    places = places_of(model, batch, feed, stand, 0)
    features, value = codec.parts(seen[codec.reads], seen[codec.writes])
    with torch.inference_mode():
        left = value - codec.on(value.device).decode(features.to(value.device))
    causal = any(t.name == stand and t.causal for t in model.sites.towers)
    if causal and len(places) > 1:
        places = places[1:]
    places = places.to(value.device)
    return left[places].double(), value[places].double()


def _judged(model: LoadedModel, dictionary: Dictionary, share: float | None) -> Diagnostic:
    site = dictionary.address(model.ref.name)
    if share is None:
        return Diagnostic("CQ556", f"`{site}` does not vary over the first rows: nothing to explain", severity="note")
    if not share <= 1:
        raise error(
            "CQ555",
            f"`{dictionary.source}` is no dictionary of `{site}`: its error is {share:.3g} times the variance there",
            dictionary.span,
            "this dictionary",
            help=(
                "a dictionary of no use at all, which says the mean everywhere, has 1",
                "it belongs to another layer, site or model, or is read in another way: see `activation` and `centred`",
            ),
        )
    said = f"`{dictionary.name}` leaves {share:.1%} of the variance of `{site}` unexplained, on the first rows"
    if share <= _LARGE:
        return Diagnostic("CQ556", said, severity="note")
    way = ("dictionaries of another site, layer or model leave as much", "what is left is in its `error`")
    return Diagnostic("CQ556", said, dictionary.span, "this dictionary", help=way, severity="warning")
