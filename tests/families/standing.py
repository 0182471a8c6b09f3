"""What is proven of the sites of one family: loaded as a user loads it, every tensor's assignment proven."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel, load
from causalcircuit.models.contract.padding import padding_holds
from causalcircuit.models.proofs import assure
from causalcircuit.query import Address, ModelRef, Part, Tower
from tests.families import Family

Status = Literal["proven", "inferred", "refused", "absent"]
Operation = Literal["observe", "assign", "gradient"]
OPERATIONS: tuple[Operation, ...] = ("observe", "assign", "gradient")
DTYPES = ("float32", "float64")
SITES = (
    "embed", "resid_in", "attn.in", "head.q", "kv.k", "kv.v", "head.pattern", "head.out", "attn.out", "resid_mid",
    "cross.head.q", "cross.kv.k", "cross.kv.v", "cross.head.pattern", "cross.head.out", "cross.out",
    "mlp.in", "mlp.neuron", "router", "expert.out", "mlp.out", "resid", "final_norm", "out", "projector.out",
    "@ image", "logits",
)  # fmt: skip
"""The standard sites; `out` is `m.encoder.out` or `m.vision.out`, `@ image` the image tokens of a stream."""
_PLAIN = tuple(
    s for s in SITES if s not in ("router", "expert.out", "out", "projector.out", "@ image") and "cross" not in s
)
_OF_SOME_TOWERS = ("resid_mid", "final_norm", "head.pattern")
"""Sites that one tower may lack and the other have, beside those that only one kind of tower has."""
_ALL = "*"
"""Stands for every tensor where nothing is loaded."""
_UNREAD = "nothing that the output depends on reads it"
_LOGITS = "a readout is read, never assigned"


@dataclass(frozen=True)
class Verdict:
    """What is proven of a cell, and why it is not."""

    status: Status
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """A family's line of the table.

    Attributes:
        family: its name. cells: by site and operation: the worst over towers, layers, attentions and types.
        details: what is to be said of less than a whole site: (what, verdict), in order.
        exceptions: what holds of the whole family.
    """

    family: str
    cells: Mapping[tuple[str, Operation], Verdict]
    details: tuple[tuple[str, Verdict], ...]
    exceptions: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One operation on one tensor of one site of a tower, in one variant; no tensor where the tower lacks the site."""

    site: str
    operation: Operation
    tower: str
    tensor: str
    verdict: Verdict


def standing_of(family: Family, folder: Path) -> Standing:
    """Load a family in every attention and type that it has, and say what is proven."""
    found: list[Finding] = []
    exceptions = [f"no {kind}: {why}" for kind, why in sorted(family.missing.items())]
    models: dict[tuple[str, str], LoadedModel] = {}
    for dtype in DTYPES:
        for attention in family.attentions:
            try:
                model = load(ModelRef("m", str(folder), folder, dtype=dtype), attention)  # type: ignore[arg-type]
            except DiagnosticError as problem:
                reason = problem.diagnostics[0].message.partition(": ")[2] or problem.diagnostics[0].message
                exceptions.append(f"{dtype} {attention} is refused: {reason}")
                found += [Finding(s, o, "", _ALL, Verdict("refused", reason)) for s, o in _cells(_PLAIN)]
                others = [s for s in SITES if s not in _PLAIN]
                found += [Finding(s, o, "", "", Verdict("absent", "it does not load")) for s, o in _cells(others)]
                found.append(Finding("logits", "assign", "", "", Verdict("absent", _LOGITS)))
                continue
            assure(model, model.taps)
            models[dtype, attention] = model
            found += _findings(model)
    exceptions += _measured(models, family)
    cells = {(s, o): _worst([f for f in found if (f.site, f.operation) == (s, o)]) for s in SITES for o in OPERATIONS}
    details = tuple(dict.fromkeys(_details(found, cells)))
    return Standing(family.name, cells, details, tuple(dict.fromkeys(exceptions)))


def _cells(sites: Iterable[str]) -> Iterator[tuple[str, Operation]]:
    """The operations that sites have."""
    return ((s, o) for s in sites for o in OPERATIONS if (s, o) != ("logits", "assign"))


def _findings(model: LoadedModel) -> Iterator[Finding]:
    table = model.sites
    for tower in table.towers:
        present: dict[str, dict[str, None]] = {}
        for address in table.addresses():
            home, site = _parsed(address, [t.name for t in table.towers])
            if home == tower.name or (site == "projector.out" and tower.modality != "text"):
                present.setdefault(site, {})[table.info(_address(address)).tensor] = None
        if table.projector and tower.modality == "text":
            present["@ image"] = present["resid"]
        for site in SITES[:-1]:
            for tensor in present.get(site, {}):
                yield from (Finding(site, o, tower.name, tensor, _judged(model, tensor, o)) for o in OPERATIONS)
            if site not in present:
                reason = _lacking(model, tower, site)
                yield from (Finding(site, o, tower.name, "", Verdict("absent", reason)) for o in OPERATIONS)
    yield Finding("logits", "observe", "", "logits", Verdict("proven"))
    yield Finding("logits", "assign", "", "", Verdict("absent", _LOGITS))
    last = table.readout_tower
    ends = _judged(model, f"{last.prefix}resid[{last.layers}]", "gradient")
    yield Finding("logits", "gradient", "", "logits", ends)


def _judged(model: LoadedModel, tensor: str, operation: Operation) -> Verdict:
    proof = model.proof
    if tensor in proof.refused:
        return Verdict("refused", proof.refused[tensor])
    if operation == "assign" and tensor not in proof.assigned:
        return Verdict("inferred", "proven when it is first assigned")
    if operation == "gradient" and tensor in proof.sloped:
        return Verdict("refused", re.sub(r" \(.*\)", "", proof.sloped[tensor]))
    if operation == "gradient" and tensor in proof.unread:
        return Verdict("absent", _UNREAD)
    return Verdict("proven")


def _lacking(model: LoadedModel, tower: Tower, site: str) -> str:
    """Why a tower has no such site."""
    said = dict(tower.missing).get(site)
    if said is not None:
        return said
    if site.startswith("cross."):
        return "it attends to no other tower"
    if site in ("router", "expert.out"):
        return "its MLPs are no mixtures of experts"
    if site == "mlp.neuron":
        return "all its MLPs are mixtures of experts"
    if site == "out":
        return (
            "what leaves the text that is read out are logits"
            if len(model.sites.towers) > 1
            else "the only tower has no name"
        )
    return "no image becomes tokens of a text" if site in ("projector.out", "@ image") else "not known"


def _worst(found: list[Finding]) -> Verdict:
    """Of what is there; absent where nothing is."""
    for status in ("refused", "inferred", "proven"):
        bad = [f.verdict for f in found if f.verdict.status == status]
        if bad:
            return bad[0]
    return Verdict("absent", "; ".join(dict.fromkeys(f.verdict.reason for f in found)))


def _details(found: list[Finding], cells: Mapping[tuple[str, Operation], Verdict]) -> Iterator[tuple[str, Verdict]]:
    """Towers that lack a site which another has, and tensors that stand worse than their site does elsewhere."""
    has = {(f.site, f.tower) for f in found if f.tensor}
    groups: dict[tuple[str, Verdict], dict[str, None]] = {}
    for f in found:
        there = cells[f.site, f.operation].status != "absent"
        if not f.tensor:
            if there and f.site in _OF_SOME_TOWERS and (f.site, f.tower) not in has and f.operation == "observe":
                groups.setdefault((f"{f.tower or 'text'}: {f.site}", f.verdict), {})
        elif f.site not in ("@ image", "logits") and f.verdict.status != "proven" and f.tensor != _ALL:
            layer = re.match(r".*layer\[\d+\]\.", f.tensor)
            lead = layer[0] if layer else ""
            groups.setdefault((f"{f.operation} {lead}", f.verdict), {})[f.tensor.removeprefix(lead)] = None
    for (what, verdict), names in groups.items():
        yield what + ", ".join(names), verdict


def _parsed(address: str, towers: list[str]) -> tuple[str, str]:
    """The tower that an address enters, and the site in it."""
    bare = re.sub(r"\[\d+\]", "", address)
    tower = next((t for t in towers if t and bare.startswith(f"{t}.")), "")
    if bare == "projector.out":
        return "?", bare
    return tower, bare.removeprefix(f"{tower}." if tower else "").removeprefix("layer.")


def _address(text: str) -> Address:
    parts = re.findall(r"(\w+)(?:\[(\d+)\])?", text)
    return Address("m", tuple(Part(name, int(index) if index else None) for name, index in parts))


def _measured(models: Mapping[tuple[str, str], LoadedModel], family: Family) -> Iterator[str]:
    """What shows when the models run: padding, float32 within float64, attentions that disagree."""
    broken: dict[str, list[str]] = {}
    for (dtype, attention), model in models.items():
        left = replace(model, side="left")
        if model.probe.one.ids is not None and not padding_holds(left, model.probe):
            broken.setdefault(_cause(left), []).append(f"{dtype} {attention}")
    for cause, variants in broken.items():
        where = "" if len(variants) == len(models) else f" ({', '.join(variants)})"
        yield f"texts are padded on the right{where}: {cause}"
    swamped = [f"{dtype} {attention}" for (dtype, attention), model in models.items() if drowned(model)]
    if swamped:
        yield (
            f"a text far shorter than others of its pass becomes NaN ({', '.join(swamped)}): a padded place whose "
            "window holds only padding becomes NaN, since its mask overflows in a float32 softmax"
        )
    for attention in family.attentions:
        model = models.get(("float64", attention))
        inside = () if model is None else casts(model)
        if inside:
            yield f"float64 {attention} is float32 within {', '.join(inside)}"
    both = [models.get(("float32", a)) for a in ("sdpa", "eager")]
    if both[0] is not None and both[1] is not None and differ(both[0], both[1]):
        yield f"sdpa and eager compute different outputs: {family.notes.partition(';')[0]}"


def _cause(left: LoadedModel) -> str:
    """Why padding on the left changes what a model computes."""
    output = left.forward(left.batch(left.probe.ragged), (), lambda _, x: x)
    if bool(output.isnan().any()):
        return "a place that sees only padding becomes NaN, since its mask overflows in a float32 softmax"
    return (
        "padding on the left moves its tokens" if left.takes.position_ids else "it counts padding on the left as places"
    )


def drowned(model: LoadedModel) -> bool:
    """Whether padding as long as a window makes a text's own outputs NaN."""
    one, short = model.probe.one, model.probe.ragged[-1]
    if one.ids is None or short.ids is None or one.media:
        return False
    batch = model.batch([replace(one, ids=[*one.ids] * 3), short])
    output = model.forward(batch, (), lambda _, x: x)
    start = batch.left[1]
    return bool(output[1, start : start + len(short.ids)].isnan().any())


def differ(one: LoadedModel, other: LoadedModel) -> bool:
    """Whether the outputs of two loadings are further apart than float32 rounds."""
    a, b = (m.forward(m.batch(m.probe.even), (), lambda _, x: x) for m in (one, other))
    return bool((a - b).abs().max() > 1e-4 * a.abs().max())


class _Casts(TorchDispatchMode):
    """The modules inside which a float64 tensor becomes a float32 one."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.found: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        first = args[0] if args else None
        before, after = (x.dtype if isinstance(x, torch.Tensor) else None for x in (first, out))
        if before == torch.float64 and after == torch.float32 and self.stack:
            self.found[self.stack[-1]] = None
        return out

    def enter(self, module: nn.Module, _: Any) -> None:
        self.stack.append(type(module).__name__)

    def leave(self, module: nn.Module, _: Any, __: Any) -> None:
        self.stack.pop()


def casts(model: LoadedModel) -> tuple[str, ...]:
    """The classes of modules that calculate in float32 though the model is float64, as one pass shows them."""
    seen = _Casts()
    hooks = [nn.modules.module.register_module_forward_pre_hook(seen.enter)]
    hooks += [nn.modules.module.register_module_forward_hook(seen.leave)]
    try:
        with torch.no_grad(), seen:
            model.run(model.batch(model.probe.even))
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(sorted(seen.found))
