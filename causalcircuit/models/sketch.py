"""A model as far as it is known without its weights: enough to prepare a plan, and to say what it would cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from causalcircuit.diagnostics import error
from causalcircuit.models.assemble import padding_number
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.folder import find_folder, read_config
from causalcircuit.models.headers import PickleError, weight_files
from causalcircuit.models.load import quiet
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.module_net import load_network
from causalcircuit.models.offline import offline
from causalcircuit.models.overlay import NodeTap
from causalcircuit.models.probe import Probe, make_probe
from causalcircuit.models.quantised import check_packages
from causalcircuit.models.refusals import broken, first_line
from causalcircuit.models.roles import Block, RoleError, Stack
from causalcircuit.models.signature import signature_of
from causalcircuit.models.survey import outlined
from causalcircuit.models.taps import See, Tap
from causalcircuit.models.tools import read_tools
from causalcircuit.models.weights import DTYPES, described
from causalcircuit.query import ModelRef, SiteTable
from causalcircuit.query.outline import OutlineError, site_table
from causalcircuit.query.tables import recall_table
from causalcircuit.query.tensors import HeaderError, Headers, read_headers


def sketch(ref: ModelRef) -> LoadedModel:
    """A declared model from its config and tokenizer; of its weights at most the headers are read.

    Its modules stand on torch's `meta` device, its sites are those that the config tells, nothing of them is proven,
    and no pass can be made. A network from Python has no config: it is loaded.

    Raises:
        DiagnosticError: CQ501 to CQ503, CQ531, CQ532, CQ534, CQ542, CQ546, as of `load`.
    """
    if ref.net is not None:
        return load_network(ref)
    folder = find_folder(ref, weights=False)
    config = read_config(ref, folder, weights=False)
    check_packages(ref, config)
    with quiet(), offline():
        kind, made = described(ref, folder, config)
        if ref.attention != "auto":
            made._attn_implementation = ref.attention
        try:
            hf: Any = outlined(kind, made, DTYPES[ref.dtype], _headers(folder, config))
        except Exception as problem:  # a class raises whatever it likes on a config that it cannot take
            raise broken(ref, first_line(problem)) from None
        hf = hf.eval().requires_grad_(False)
        takes = signature_of(hf)
        tokenizer, processor = read_tools(ref, folder, takes.wants)
    try:
        probe = make_probe(hf, takes, tokenizer, processor, DTYPES[ref.dtype])
        pad = padding_number(hf, tokenizer)
    except RoleError as problem:
        raise error("CQ532", f"the architecture of `{ref.source}` is not supported: {problem}", ref.span) from None
    table = replace(_counted(_table(ref, folder, config), probe), dictionaries=ref.dictionaries)
    return LoadedModel(
        ref,
        table,
        hf,
        tokenizer,
        processor,
        tuple(_stacks(hf, table)),
        dict(_nodes(table)),
        takes,
        pad,
        "left" if getattr(tokenizer, "padding_side", "right") == "left" else "right",
        probe,
        Proof(),
    )


def block_lists(hf: nn.Module, layers: Sequence[int]) -> list[list[nn.Module]]:
    """The blocks of towers with so many layers, in order, found without a pass; empty where no list of blocks fits."""
    found = [
        list(m)
        for m in hf.modules()
        if isinstance(m, nn.ModuleList) and len(m) > 0 and all(isinstance(c, GradientCheckpointingLayer) for c in m)
    ]
    out: list[list[nn.Module]] = []
    for count in layers:
        fits = next((blocks for blocks in found if len(blocks) == count), [])
        if fits:
            found.remove(fits)
        out.append(fits)
    return out


def _stacks(hf: nn.Module, table: SiteTable) -> Iterator[Stack]:
    """The towers with their blocks; which parts these have shows in a pass only."""
    for tower, blocks in zip(table.towers, block_lists(hf, [t.layers for t in table.towers]), strict=True):
        unknown = cast(Any, None)
        parts = [Block(b, unknown, None, unknown, b, None, "pre", None) for b in blocks or [hf] * tower.layers]
        yield Stack(tower, tuple(parts), None)


@dataclass(frozen=True, slots=True)
class _Described:
    """What a dictionary stands between, without its arithmetic."""

    reads: str
    writes: str

    def change(self, read: Tensor, written: Tensor, sees: Mapping[str, See]) -> Tensor | None:
        raise RuntimeError("a sketch makes no pass")


def _nodes(table: SiteTable) -> Iterator[tuple[str, Tap]]:
    """Where the nodes of dictionaries hang."""
    for found in table.dictionaries:
        reads, writes = (table.info(found.address("m", of=of)) for of in ("reads", "writes"))
        for name, size in (("features", found.features), ("error", writes.width)):
            full = f"{found.name}.{name}"
            yield full, NodeTap(full, size, writes.stand, cast(Any, _Described(reads.tensor, writes.tensor)))


def _counted(table: SiteTable, probe: Probe) -> SiteTable:
    """With the positions of an image tower whose number stands in the settings of its processor only."""
    packed = probe.one.media.get("flattened_patches")
    if packed is None:
        return table
    towers = (
        replace(t, frames=packed.shape[-2]) if t.modality == "image" and not t.extent else t for t in table.towers
    )
    return replace(table, towers=tuple(towers))


def _headers(folder: Path, config: dict[str, Any]) -> Headers | None:
    """What the files of weights say of themselves; `None` where they are not there, or not all of them."""
    try:
        return read_headers(weight_files(folder, config))
    except (HeaderError, PickleError, OSError):
        return None


def _table(ref: ModelRef, folder: Path, config: dict[str, Any]) -> SiteTable:
    try:
        return site_table(config)
    except OutlineError as problem:
        known = recall_table(folder / "config.json")
        if known is None:
            raise error(
                "CQ502",
                f"`{ref.source}` is no model whose sites are known: {problem}",
                ref.span,
                "this model",
                help=f"`cq sites {ref.source}` loads it; what is found then is known from there on",
            ) from None
        return known
