"""Declaring dictionaries: `model s = sae("./f.safetensors", at = m.layer[6].resid)`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Literal, cast

from lark import Tree

from causalcircuit.check import addresses
from causalcircuit.check.expressions import Lowering
from causalcircuit.check.sources import sites
from causalcircuit.check.values import Path
from causalcircuit.diagnostics import Span, did_you_mean, error, instead_of
from causalcircuit.query import Address, AddressError, Attached, ModelRef, Number, SiteInfo, Text, Truth
from causalcircuit.query.config import ConfigError, read_json
from causalcircuit.query.dictionary import (
    Activation,
    Dictionary,
    DictionaryError,
    activation_of,
    centred,
    weights_of,
)
from causalcircuit.query.tensors import HeaderError, read_headers, read_metadata
from causalcircuit.syntax.trees import Node, inner, named, tree_of

if TYPE_CHECKING:
    from causalcircuit.check.checker import Checker

Kind = Literal["sae", "transcoder"]
KINDS = ("sae", "transcoder")
ACTIVATIONS = ("relu", "jumprelu", "topk")
_SITES: dict[str, tuple[str, ...]] = {"sae": ("at",), "transcoder": ("from", "to")}
_SHAPE = {
    "sae": 'sae("./f.safetensors", at = m.layer[6].resid)',
    "transcoder": 'transcoder("./f.safetensors", from = m.layer[6].mlp.in, to = m.layer[6].mlp.out)',
}
_CODES = {"file": "CQ550", "shape": "CQ551", "activation": "CQ552", "centre": "CQ553"}
_CONFIG = "cfg.json"  # SAELens says in it what its weights are


@dataclass(frozen=True, slots=True)
class Asked:
    """What a declaration says besides its file: where the dictionary reads and writes, and how it encodes."""

    reads: Path
    writes: Path
    activation: Activation | None = None
    centred: bool | None = None


def kind_called(call: Node, low: Lowering) -> Kind | None:
    """Which kind of dictionary a declaration's right side makes, if it makes one."""
    callee = tree_of(call).children[0] if isinstance(call, Tree) and call.data == "call" else None
    word = low.word(callee.children[0]) if isinstance(callee, Tree) and callee.data == "reference" else ""
    return cast(Kind, word) if word in KINDS else None


def declare(checker: Checker, name: Node, call: Node, settings: list[Node], low: Lowering) -> None:
    """Give a dictionary its name.

    Raises:
        DiagnosticError: CQ550 to CQ554, a file, a site or an activation that does not fit.
    """
    kind = kind_called(call, low) or "sae"
    if settings:
        way = "its type and device are those of the model that it is declared on"
        raise error("CQ554", f"a `{kind}` takes no settings", low.span(settings[0]), help=way)
    source, asked = _arguments(kind, call, low)
    path = checker.resolve(source.value)
    host = checker.models.get(asked.writes.model.name, asked.writes.model)
    made = dictionary(kind, low.word(name), source.value, path, replace_host(asked, host), source.span)
    host, called = checker.attach(host, made)
    value = Path(host, (Attached(called),), low.span(name))
    checker.scope.declare(low.word(name), value, low.span(name), again=checker.redefine)


def replace_host(asked: Asked, host: ModelRef) -> Asked:
    """The same sites of the model as it is now."""
    return replace(asked, reads=replace(asked.reads, model=host), writes=replace(asked.writes, model=host))


def _arguments(kind: Kind, call: Node, low: Lowering) -> tuple[Text, Asked]:
    """The file, and what else is said."""
    nodes = inner(tree_of(inner(tree_of(call))[1])) if len(inner(tree_of(call))) > 1 else []
    source: Text | None = None
    found: dict[str, Node] = {}
    known = (*_SITES[kind], "activation", "centred")
    for node in nodes:
        if not (isinstance(node, Tree) and node.data == "named"):
            value = low.expr(node)
            if not isinstance(value, Text) or source is not None:
                raise error("CQ554", f"`{kind}` takes one file, by its path", low.span(node), help=_SHAPE[kind])
            source = value
            continue
        key, value_node = named(node)
        if key not in known:
            raise error("CQ554", f"`{kind}` takes no `{key}`", low.span(node), help=did_you_mean(key, known))
        if key in found:
            raise error("CQ112", f"`{key}` is said twice", low.span(node), "again here", help="leave one out")
        found[key] = value_node
    missing = [k for k in _SITES[kind] if k not in found]
    if source is None or missing:
        lacks = "its file" if source is None else f"`{missing[0]} = …`"
        raise error("CQ554", f"`{kind}` lacks {lacks}", low.span(call), help=f"write `{_SHAPE[kind]}`")
    places = [_site(found[key], key, kind, low) for key in _SITES[kind]]
    activation = _activation(found["activation"], low) if "activation" in found else None
    centre = _truth(found["centred"], low) if "centred" in found else None
    return source, Asked(places[0], places[-1], activation, centre)


def _site(node: Node, key: str, kind: Kind, low: Lowering) -> Path:
    value = low.value(node)
    if not isinstance(value, Path) or value.answer is not None:
        way = f"name a site without a position: `{_SHAPE[kind]}`"
        raise error("CQ554", f"`{low.span(node).text}` is no site of a model", low.span(node), help=way)
    return replace(value, span=low.span(node))


def _activation(node: Node, low: Lowering) -> Activation:
    """`relu`, `jumprelu`, `topk(32)`."""
    tree = tree_of(node)
    if tree.data == "reference" and low.word(tree.children[0]) in ("relu", "jumprelu"):
        return Activation("relu" if low.word(tree.children[0]) == "relu" else "jumprelu")
    if tree.data == "call":
        parts = inner(tree)
        callee = tree_of(parts[0])
        given = inner(tree_of(parts[1])) if len(parts) > 1 else []
        k = low.expr(given[0]) if len(given) == 1 else None
        if low.word(callee.children[0]) == "topk" and isinstance(k, Number) and k.value == int(k.value) > 0:
            return Activation("topk", int(k.value))
    text = low.span(node).text
    near = (did_you_mean(text, ACTIVATIONS), "there are `relu`, `jumprelu` and `topk(32)`")
    raise error("CQ554", f"`{text}` is no activation of features", low.span(node), help=near)


def _truth(node: Node, low: Lowering) -> bool:
    value = low.expr(node)
    if not isinstance(value, Truth):
        raise error("CQ554", "`centred` is `true` or `false`", low.span(node), help="write `centred = true`")
    return value.value


def dictionary(
    kind: Kind, name: str, source: str, path: FilePath, asked: Asked, span: Span | None = None
) -> Dictionary:
    """A dictionary held against its file and its sites.

    Args:
        kind: as declared. name: how addresses call it. source: its file, as written. path: the absolute one.
        asked: what the declaration says. span: the place of the file's name.

    Raises:
        DiagnosticError: CQ550 to CQ554.
    """
    reads, writes = _info(asked.reads), _info(asked.writes)
    _joined(asked, reads, writes)
    if not path.is_file():
        near = instead_of(path.name, (p.name for p in path.parent.glob("*.safetensors")))
        what = "is a folder" if path.is_dir() else "does not exist"
        looked = (near, f"looked for {path}", "a dictionary is one file of safetensors")
        raise error("CQ550", f"the dictionary `{source}` {what}", span, "this file", help=looked)
    try:
        said = _said(path)
        weights, features = weights_of(read_headers([path]), reads.width, writes.width)
        activation = activation_of(said, weights, asked.activation)
        if activation.kind == "topk" and activation.k > features:
            few = f"it has {features} features, and `{activation}` keeps more"
            raise DictionaryError("activation", few, "take a smaller k")
        centre = centred(said, weights, asked.centred, kind)
    except (HeaderError, OSError) as problem:
        way = "a dictionary is one file of safetensors; others are converted first"
        raise error("CQ550", f"`{source}` cannot be read: {problem}", span, "this file", help=way) from None
    except DictionaryError as problem:
        message = f"`{source}` is no dictionary of `{Address(asked.writes.model.name, asked.writes.parts)}`: {problem}"
        if problem.kind in ("activation", "centre"):
            message = f"`{source}` cannot be read as a dictionary: {problem}"
        raise error(_CODES[problem.kind], message, span, "this file", help=problem.way) from None
    stat = os.stat(path)
    return Dictionary(
        name,
        kind,
        source,
        path,
        (stat.st_mtime_ns, stat.st_size),
        asked.reads.parts,
        asked.writes.parts,
        features,
        activation,
        centre,
        weights,
        span,
    )


def _said(path: FilePath) -> dict[str, object]:
    """What is said of a file: in the `cfg.json` beside it, and before that in itself."""
    said: dict[str, object] = {}
    config = path.parent / _CONFIG
    if config.is_file():
        try:
            said = dict(read_json(config))
        except ConfigError as problem:
            raise HeaderError(f"the {_CONFIG} beside it cannot be read: {problem}") from None
        more = said.get("activation_fn_kwargs")
        said |= more if isinstance(more, dict) else {}
    said |= read_metadata(path)
    scaled = str(said.get("normalize_activations", "none")).lower()
    if scaled not in ("none", "false", ""):
        way = "fold the scale into its weights first (SAELens: `fold_activation_norm_scaling_factor`)"
        raise DictionaryError("file", f"it expects activations that are scaled (`{scaled}`)", way)
    return said


def _info(path: Path) -> SiteInfo:
    table = sites(path.model)
    address = Address(path.model.name, path.parts)
    try:
        found = table.expand(address)
        info = table.info(found[0])
    except AddressError as problem:
        raise addresses.no_site(path, problem, table) from None
    what = (
        "names several sites"
        if not address.concrete
        else "is no site of the model itself"
        if address.attached or address.module is not None
        else "is an attention pattern, whose width differs between prompts"
        if info.key is not None
        else ""
    )
    if what:
        way = "a dictionary reads one: `m.layer[6].resid`, `m.layer[6].mlp.out`, `m.layer[6].head[1].out`"
        raise error("CQ554", f"`{address}` {what}", path.span, help=way)
    return info


def _joined(asked: Asked, reads: SiteInfo, writes: SiteInfo) -> None:
    """Both sites of a transcoder are of one model and on the same positions, and it writes after it has read."""
    model, other = asked.reads.model.name, asked.writes.model.name
    if model != other:
        raise error("CQ554", f"a transcoder reads `{model}` and writes `{other}`", asked.writes.span, help="name one")
    if reads == writes:
        return
    if reads.stand != writes.stand or not sites(asked.reads.model).depends(writes, reads):
        raise error(
            "CQ554",
            f"`{Address(model, asked.writes.parts)}` does not come after `{Address(model, asked.reads.parts)}`",
            asked.writes.span,
            help="a transcoder reads a site, and writes a later one on the same positions",
        )
