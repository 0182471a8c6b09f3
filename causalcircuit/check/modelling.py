"""The settings of a model: `with dtype = …, device = …` and what keeps loading within bounds."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import cast, get_args

from lark import Tree

from causalcircuit.check.expressions import Lowering
from causalcircuit.diagnostics import Diagnostic, Span, error, warning
from causalcircuit.query import ModelRef
from causalcircuit.query.program import AttentionKind, DeviceMap, DType
from causalcircuit.syntax.trees import Node, tree_of, unquote

_COMMIT = re.compile(r"[0-9a-f]{40}")
_WORDS: dict[str, tuple[str, ...]] = {
    "dtype": get_args(DType),
    "attention": get_args(AttentionKind),
    "device_map": get_args(DeviceMap),
    "memory": ("checked", "unchecked"),
}
_STRINGS = ("device", "trust_remote_code")
_HELP = (
    "settings: "
    + ", ".join(f"`{key} = {' | '.join(words)}`" for key, words in _WORDS.items())
    + ', `device = "cpu"`, `trust_remote_code = "the source"`'
)


def model_settings(
    ref: ModelRef, settings: list[tuple[str, Node, Span]], low: Lowering
) -> tuple[ModelRef, list[Diagnostic]]:
    """A declared model with its settings, and what is to be said of them.

    Args:
        ref: the model without settings. settings: name, value and the place of the name. low: of the statement.

    Raises:
        DiagnosticError: CQ224 no such setting, CQ542 trust that is not given as it must be.
    """
    remarks: list[Diagnostic] = []
    places: dict[str, Span] = {}
    for key, node, place in settings:
        places[key] = low.span(node)
        word = low.word(tree_of(node).children[0]) if isinstance(node, Tree) and node.data == "reference" else None
        text = unquote(str(node.children[0])) if isinstance(node, Tree) and node.data == "string" else None
        if word is not None and word in _WORDS.get(key, ()):
            ref = _with_word(ref, key, word)
        elif key == "device" and text is not None:
            ref = replace(ref, device=text)
        elif key == "trust_remote_code" and text is not None:
            ref, remark = trusted(ref, text, low.span(node))
            remarks.append(remark)
        else:
            known = key in _WORDS or key in _STRINGS
            said = f"`{key} = {low.span(node).text}` is no setting of a model"
            raise error("CQ224", said, low.span(node) if known else place, help=_HELP)
    if {"device", "device_map"} <= set(places):
        raise error(
            "CQ224",
            "`device` and `device_map` both say where the weights go",
            places["device_map"],
            help="leave one out: a device map uses all accelerators that are there",
        )
    return ref, remarks


def _with_word(ref: ModelRef, key: str, word: str) -> ModelRef:
    if key == "dtype":
        return replace(ref, dtype=cast(DType, word))
    if key == "attention":
        return replace(ref, attention=cast(AttentionKind, word))
    if key == "device_map":
        return replace(ref, device_map=cast(DeviceMap, word))
    return replace(ref, memory="unchecked" if word == "unchecked" else "checked")


def trusted(ref: ModelRef, name: str, span: Span) -> tuple[ModelRef, Diagnostic]:
    """A model whose own code may run, and the warning that comes with trust.

    Args:
        ref: the model. name: what is trusted: the very source of the model. span: where it is said.

    Raises:
        DiagnosticError: CQ542 another name than the source's, or a name on the hub that is not pinned.
    """
    if name != ref.source:
        raise error(
            "CQ542",
            f"`{name}` is trusted, and the model is `{ref.source}`",
            span,
            help=f'code is trusted by the very name of its source: `trust_remote_code = "{ref.source}"`',
        )
    if ref.folder is None and not _COMMIT.fullmatch(ref.revision or ""):
        raise error(
            "CQ542",
            f"the code of `{name}` may change at any time: it is not pinned to a commit",
            span,
            help=f'name the commit that was read, by its 40 digits: `hf("{name}", revision = "…")`',
        )
    where = f"`{name}`" if ref.folder is not None else f"`{name}` at commit {ref.revision}"
    return replace(ref, trust_remote_code=True), warning(
        "CQ541",
        f"code that {where} brings along runs when `{ref.name}` is loaded, and may do anything",
        span,
        "trusted here",
        help="read it first; a model whose class transformers has needs no code of its own",
    )
