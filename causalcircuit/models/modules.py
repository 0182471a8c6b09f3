"""Sites by the path of a module: looked up when they are asked for, placed by one pass, proven like all others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from causalcircuit.diagnostics import Span, did_you_mean, error, nearest
from causalcircuit.models.contract.places import count_of
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.module_net import Network
from causalcircuit.models.overlay import tapped
from causalcircuit.models.proofs import proven_nodes
from causalcircuit.models.representative import site_of
from causalcircuit.models.taps import ModuleTap, Tap, stream_argument
from causalcircuit.query import Address, SiteInfo

Side = Literal["in", "out"]
_AFTER = 10  # steps of one rank that come before those of modules: what dictionaries find


@dataclass(frozen=True, slots=True)
class Wanted:
    """A module that is asked for: its address, and the place of that."""

    address: Address
    span: Span | None = None

    @property
    def side(self) -> Side:
        """Whether what it is given is meant, or what it gives."""
        return "in" if self.address.path[-1].name == "in" else "out"


@dataclass(slots=True, eq=False)
class _Look:
    """What a pass showed of a module: its tensor, if it has one; how often, after which tap and as which it came."""

    value: Tensor | None = None
    calls: int = 0
    after: str | None = None
    order: int = 0


def with_modules(model: LoadedModel, wanted: Iterable[Wanted]) -> LoadedModel:
    """A loaded model with the sites of some modules.

    Args:
        model: loaded. wanted: addresses; those that it has already are left alone.

    Raises:
        DiagnosticError: CQ560 no such module, CQ561 its tensor is no site.
    """
    known = dict(model.sites.modules or ())
    asked = {w.address.local: w for w in wanted if w.address.local not in known}
    if not asked:
        return model
    modules = {key: _module(model.hf, w) for key, w in asked.items()}
    looks, seen = _looked(model, {key: (modules[key], w.side) for key, w in asked.items()})
    taps = dict(model.taps)
    for key, w in sorted(asked.items(), key=lambda item: -looks[item[0]].order):  # each goes before later ones
        twin = _twin(model, modules[key], w.side, looks[key], seen)
        if twin is not None:
            base = site_of(model.sites, twin.name)
            known[key] = replace(base, address=key, start=0, stop=twin.size, size=twin.size)
            continue
        value, stand = _placed(model, looks[key], w)
        known[key] = _info(model, key, value, stand, looks[key], looks[key].order)
        made = ModuleTap(key, value.shape[-1], stand, modules[key], w.side)
        taps = _after(taps, looks[key].after, made)
    table = replace(model.sites, modules=tuple(known.items()))
    names = [key for key in asked if key in taps]
    grown = replace(model, sites=table, taps=taps)
    return proven_nodes(grown, names, {}, json.dumps(["modules", *sorted(known)])) if names else grown


def _module(hf: nn.Module, wanted: Wanted) -> nn.Module:
    """The module of a path.

    Raises:
        DiagnosticError: CQ560.
    """
    path = wanted.address.module or ""
    hf = hf.net if isinstance(hf, Network) else hf
    modules: dict[str, nn.Module] = dict(hf.named_modules(remove_duplicate=False))
    if path in modules and path:
        return modules[path]
    near = nearest(path, [m for m in modules if m], 0.8)
    lead = path
    while lead not in modules:
        lead = lead.rpartition(".")[0]
    inside = [name for name, _ in modules[lead].named_children()]
    where = f"`{lead}`" if lead else "the model"
    below = did_you_mean(path.removeprefix(lead).lstrip(".").partition(".")[0], inside)
    raise error(
        "CQ560",
        f"`{wanted.address.model}` has no module `{path}`",
        wanted.span,
        "no such module",
        help=(f"did you mean `{near}`?" if near else f"in {where}: {below}" if below else f"{where} holds no modules"),
    )


def _looked(
    model: LoadedModel, modules: Mapping[str, tuple[nn.Module, Side]]
) -> tuple[dict[str, _Look], dict[str, Tensor]]:
    """One observed pass: the modules' tensors, and those of the streams between blocks."""
    looks = {key: _Look() for key in modules}
    streams: dict[str, Tensor] = {}
    last: list[str] = []

    def visit(name: str, value: Tensor) -> Tensor:
        last[:] = [name]
        if "resid[" in name:
            streams[name] = value.clone()
        return value

    def note(key: str, value: Any) -> None:
        look = looks[key]
        look.calls += 1
        if look.calls == 1:
            value = value[0] if isinstance(value, tuple) and value else value
            plain = isinstance(value, Tensor) and value.is_floating_point() and value.ndim >= 2
            look.value = value.clone() if plain else None
            look.after = last[0] if last else None
            look.order = sum(other.calls > 0 for other in looks.values())

    plain = [tap for name, tap in model.taps.items() if name not in model.refused]
    with torch.inference_mode(), ExitStack() as stack:
        stack.enter_context(tapped(plain, visit))
        for key, (module, side) in modules.items():
            stack.callback(_hooked(module, side, key, note).remove)
        model.run(model.batch(model.probe.even))
    return looks, streams


def _hooked(module: nn.Module, side: Side, key: str, note: Any) -> Any:
    if side == "out":
        return module.register_forward_hook(lambda _m, _a, output: note(key, output))

    def given(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        note(key, stream_argument(args, kwargs)[0] if tensors else None)

    return module.register_forward_pre_hook(given, with_kwargs=True)


def _twin(model: LoadedModel, module: nn.Module, side: Side, look: _Look, streams: Mapping[str, Tensor]) -> Tap | None:
    """The tap that catches the same tensor: a site has one name to the engine, whatever it is called by."""
    for tap in model.taps.values():
        if isinstance(tap, ModuleTap) and tap.module is module and tap.side == side:
            return tap
    for stack in model.stacks:
        for i, block in enumerate(stack.blocks):
            name = f"{stack.tower.prefix}resid[{i + 1}]"
            if block.module is module and side == "out" and look.value is not None and name in streams:
                same = torch.equal(look.value.reshape(streams[name].shape), streams[name])
                return model.taps[name] if same else None
    return None


def _placed(model: LoadedModel, look: _Look, wanted: Wanted) -> tuple[Tensor, str]:
    """A module's tensor, and what its places are.

    Raises:
        DiagnosticError: CQ561.
    """
    value = look.value
    feeds = model.probe.even
    if look.calls == 1 and value is not None:
        places = value.numel() // value.shape[-1]
        for stand in _stands(model):
            counts = [count_of(model, f, stand) for f in feeds]
            if sum(counts) == places and (value.ndim == 2 or value.shape[0] in (len(feeds), 1)):
                return value, stand
    what = (
        "is not called in a pass"
        if look.calls == 0
        else f"is called {look.calls} times in one pass"
        if look.calls > 1
        else f"{'is given' if wanted.side == 'in' else 'gives'} no tensor of floats"
        if value is None
        else f"has a tensor {list(value.shape)}, of {len(feeds)} items whose positions are "
        + ", ".join(str(count_of(model, feeds[0], s)) for s in _stands(model))
    )
    raise error(
        "CQ561",
        f"`{wanted.address}` is no site: the module {what}",
        wanted.span,
        "this module",
        help="a site is one tensor with a line for each position: name a module further in or out",
    )


def _stands(model: LoadedModel) -> Iterator[str]:
    yield from (t.name for t in reversed(model.sites.towers))
    if model.sites.projector:
        yield "projector"


def _info(model: LoadedModel, key: str, value: Tensor, stand: str, look: _Look, number: int) -> SiteInfo:
    """A site of its own, right after the tap that fired last before it."""
    size = value.shape[-1]
    tower = stand if stand != "projector" else next(t.name for t in model.sites.towers if t.modality != "text")
    before = None if look.after is None else site_of(model.sites, look.after)
    if before is None or before.tower != tower:
        # Nothing of its tower has passed yet: it comes before the first stream.
        return SiteInfo(key, key, 0, size, size, tower, 0, -1, stand, step=number - 10**6)
    return SiteInfo(
        key, key, 0, size, size, tower, before.rank, before.layer, stand, step=max(before.step, _AFTER) + 1 + number
    )


def _after(taps: Mapping[str, Tap], name: str | None, made: Tap) -> dict[str, Tap]:
    """The taps with another one behind that called `name`."""
    order = list(taps.values())
    at = 0 if name is None else next(i for i, t in enumerate(order) if t.name == name) + 1
    return {t.name: t for t in (*order[:at], made, *order[at:])}
