"""A model's sites with their status: loaded, proven, listed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from causalcircuit.query import ModelRef, SiteTable, Tower
from causalcircuit.query.dictionary import Dictionary
from causalcircuit.query.listing import Listing, Section, SiteRow, Status

if TYPE_CHECKING:
    from causalcircuit.models import LoadedModel

_KINDS = (
    "resid_in", "attn.in", "head.q", "kv.k", "kv.v", "head.pattern", "head.out", "attn.out", "resid_mid",
    "cross.head.q", "cross.kv.k", "cross.kv.v", "cross.head.pattern", "cross.head.out", "cross.out",
    "mlp.in", "router", "expert.out", "mlp.neuron", "mlp.out", "resid",
)  # fmt: skip


def list_sites(ref: ModelRef) -> Listing:
    """Load a model and list its sites.

    Raises:
        DiagnosticError: the model does not load (see `causalcircuit.models.load`).
    """
    from causalcircuit.models import load

    return listing_of(load(ref))


def listing_of(model: LoadedModel) -> Listing:
    """The sites of a loaded model."""
    table = model.sites
    attention = getattr(model.hf.config, "_attn_implementation", None)
    settings = [str(model.dtype).removeprefix("torch."), f"attention {attention}"]
    if table.channels and model.text_channel is not None:
        settings.append(f"texts padded on the {model.side}")
    towers = (*(_tower(model, t) for t in table.towers), *(_dictionary(model, d) for d in table.dictionaries))
    return Listing(
        model.ref.source,
        table.family,
        tuple(settings),
        tuple(_inputs(table)),
        tuple(_readouts(table)),
        towers,
        tuple(_positions(table)),
    )


def _inputs(table: SiteTable) -> Iterator[str]:
    for channel in table.channels:
        limited = channel in ("input", "prefix") and table.max_positions
        yield f"{channel} (at most {table.max_positions} tokens)" if limited else channel


def _readouts(table: SiteTable) -> Iterator[str]:
    if table.readout == "vocabulary":
        yield from ("logit[…]", "logprob[…]", "prob[…]")
    elif table.readout == "classes":
        yield 'class["…"]'


def _positions(table: SiteTable) -> Iterator[tuple[str, str]]:
    for tower in table.towers:
        name = tower.name or "the text"
        words = "@ last, @ first, @ 5, @ token(row.w), @ span(row.w), @ all"
        parts = "@ image[k], @ inside(row.mask), @ outside(row.mask)"
        if tower.modality == "text":
            yield name, f"{words}, {parts}" if table.projector else words
        else:
            yield name, f"{parts}, @ all" if tower.modality == "image" else "@ 5, @ all"


def _tower(model: LoadedModel, tower: Tower) -> Section:
    table, prefix = model.sites, tower.prefix
    layers = [tuple(_layer(model, tower, i)) for i in range(tower.layers)]
    grouped: list[Section] = []
    start = 0
    for _, group in groupby(layers, key=lambda rows: rows):
        alike = list(group)
        stop = start + len(alike)
        index = str(start) if len(alike) == 1 else f"{start}..{stop - 1}"
        grouped.append(Section(f"{prefix}layer[{index}]", alike[0]))
        start = stop
    grid = "" if tower.patches is None else f", {tower.patches[0]}×{tower.patches[1]} patches"
    lead = f" after {tower.cls} class token{'s' if tower.cls > 1 else ''}" if tower.cls and grid else ""
    groups = "" if tower.groups == tower.heads else f" ({tower.groups} of keys and values)"
    order = "each position sees earlier ones" if tower.causal else "each position sees all"
    title = (
        f"{tower.name or 'text'}: {tower.layers} layers, {tower.heads} heads of {tower.head_dim}{groups}, "
        f"width {tower.width}{grid}{lead}; {order}"
    )
    outer = [_row(model, tower, f"{prefix}embed", f"{prefix}resid[0]", tower.width)]
    last = [
        _row(model, tower, f"{prefix}{name}", f"{prefix}final_norm", tower.width)
        for name in ("final_norm", "out")
        if (name == "final_norm" and "final_norm" not in dict(tower.missing))
        or (name == "out" and tower.name not in ("", "decoder"))
    ]
    if table.projector and tower.modality != "text":
        last.append(_row(model, tower, "projector.out", "projector.out", table.projector))
    return Section(title, (), (Section("", tuple(outer)), *grouped, Section("", tuple(last))), tower.missing)


def _layer(model: LoadedModel, tower: Tower, i: int) -> Iterator[SiteRow]:
    """The sites of a layer, without its number: layers with equal rows are listed together."""
    at = f"{tower.prefix}layer[{i}]"
    absent = dict(tower.missing)
    heads, groups = _range("head", tower.heads), _range("kv", tower.groups)
    for kind in _KINDS:
        if kind in absent or (kind.startswith("cross.") and not tower.cross):
            continue
        mixed = tower.mixed(i)
        if (kind in ("router", "expert.out") and not mixed) or (kind == "mlp.neuron" and mixed):
            continue
        lead = "cross." if kind.startswith("cross.") else ""
        bare = kind.removeprefix("cross.")
        owner, _, what = bare.partition(".")
        if owner == "head":
            tensor = {"out": "z"}.get(what, what)
            name = f"{lead}{heads}.{what}" + ("[k]" if what == "pattern" else "")
            yield _row(model, tower, name, f"{at}.{lead}{tensor}", 1 if what == "pattern" else tower.head_dim)
        elif owner == "kv":
            yield _row(model, tower, f"{lead}{groups}.{what}", f"{at}.{lead}{what}", tower.head_dim)
        elif kind == "resid_in":
            yield _row(model, tower, kind, f"{tower.prefix}resid[{i}]", tower.width)
        elif kind == "resid":
            yield _row(model, tower, kind, f"{tower.prefix}resid[{i + 1}]", tower.width)
        elif kind == "mlp.neuron":
            yield _row(model, tower, f"mlp.{_range('neuron', tower.mlp)}", f"{at}.mlp.neurons", 1)
        elif kind == "router":
            yield _row(model, tower, kind, f"{at}.router", tower.experts)
        elif kind == "expert.out":
            rows = [_row(model, tower, "", f"{at}.expert[{e}]", tower.width) for e in range(tower.experts)]
            worst = max(rows, key=lambda r: ("proven", "inferred", "unread", "refused").index(r.status))
            name = f"{_range('expert', tower.experts)}.out"
            yield SiteRow(name, worst.width, worst.positions, worst.status, worst.reason, worst.gradient)
        else:
            yield _row(model, tower, kind, f"{at}.{kind}", tower.width)


def _dictionary(model: LoadedModel, dictionary: Dictionary) -> Section:
    """The nodes that a dictionary makes of the site that it writes."""
    name, base = dictionary.name, model.sites.info(dictionary.address(model.ref.name))
    reads, writes = (dictionary.address(model.ref.name, of=of).local for of in ("reads", "writes"))
    tower = model.sites.tower(base.tower)
    rows = (
        _row(model, tower, f"{name}.{_range('feature', dictionary.features)}", f"{name}.features", 1),
        _row(model, tower, f"{name}.error", f"{name}.error", base.width),
    )
    way = f"at {writes}" if reads == writes else f"from {reads} to {writes}"
    title = f"{name}: {dictionary.kind} of {dictionary.features} features {way}; {dictionary.activation}"
    return Section(title, (), (Section("", rows),))


def _row(model: LoadedModel, tower: Tower, name: str, tensor: str, width: int) -> SiteRow:
    status, reason = status_of(model, tensor)
    tap = model.taps.get(tensor)
    stand = tower.name if tap is None else tap.stand
    return SiteRow(name, width, _extent(model, stand), status, reason, model.proof.sloped.get(tensor, ""))


def status_of(model: LoadedModel, tensor: str) -> tuple[Status, str]:
    """What is proven of a tensor, and why it is refused (see `SiteRow`)."""
    proof = model.proof
    if tensor not in model.taps:
        return "refused", "nothing of the model was found that gives it"
    if tensor in proof.refused:
        return "refused", proof.refused[tensor]
    if tensor in proof.unread:
        return "unread", ""
    return ("proven", "") if tensor in proof.assigned else ("inferred", "")


def _extent(model: LoadedModel, stand: str) -> str:
    if stand == "projector":
        return "image tokens"
    tower = model.sites.tower(stand)
    if tower.modality == "text":
        return "tokens"
    what = "patches" if tower.modality == "image" else "frames"
    return f"{tower.extent} {what}" if tower.extent else what


def _range(name: str, count: int) -> str:
    return f"{name}[0..{count - 1}]" if count > 1 else f"{name}[0]"
