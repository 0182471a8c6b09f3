"""Outputs that are no answers: scores of classes, similarity, the whole distribution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from causalcircuit.diagnostics import error
from causalcircuit.engine.batches import Slot
from causalcircuit.engine.prepared import OutputRead
from causalcircuit.engine.problems import Problems
from causalcircuit.engine.values import Value
from causalcircuit.models import LoadedModel, RowError, unembedding
from causalcircuit.query import (
    Call,
    Classes,
    ClassScore,
    Column,
    Counterfactual,
    Distribution,
    Expr,
    Number,
    Text,
    classes_of,
    render,
    walk,
)
from causalcircuit.rows import Dataset


def class_read(output: ClassScore, model: LoadedModel, data: Dataset, problems: Problems) -> OutputRead | None:
    """A class score with the number of the class in each row; `None` where something is wrong (problems are kept)."""
    numbers: list[int] = []
    if model.ref.net is not None:
        return OutputRead(output, (component(output, model),) * data.n)
    with problems.keep():
        found = _classes(output, model)
        for i, label in enumerate(_labels(output.label, data)):
            with problems.at(i, output.label.span or output.span):
                numbers.append(_number(found, label, model.ref.name))
    return OutputRead(output, tuple(numbers)) if len(numbers) == data.n else None


def _classes(output: ClassScore, model: LoadedModel) -> Classes:
    """The classes that are asked about.

    Raises:
        DiagnosticError: CQ498, there are none.
    """
    found = loaded_classes(model)
    if found is None:
        raise error(
            "CQ498",
            f"`{model.ref.name}` is no classifier: it gives no scores of classes",
            output.span,
            help="models of `…ForSequenceClassification` and `…ForImageClassification` do",
        )
    return found


def component(output: ClassScore, model: LoadedModel) -> int:
    """Which component of a network's output is read.

    Raises:
        DiagnosticError: CQ562, it has not so many, or has positions.
    """
    found = int(cast(Number, output.label).value)
    out = model.forward(model.batch([model.probe.one]), (), lambda _, x: x)
    if out.ndim != 2 or not 0 <= found < out.shape[1]:
        what = f"{out.shape[1]} components, from 0" if out.ndim == 2 else "positions: read the module that gives it"
        raise error("CQ562", f"`{model.ref.name}.output[{found}]`: the output has {what}", output.span)
    return found


def loaded_classes(model: LoadedModel) -> Classes | None:
    """The classes of a loaded model."""
    if model.ref.net is not None:
        return None
    return classes_of({**model.hf.config.to_dict(), "architectures": [type(model.hf).__name__]})


def _labels(label: Expr, data: Dataset) -> list[Any]:
    if isinstance(label, Column):
        return data.column(label.name, label.span)
    return [label.value if isinstance(label, Text) else int(cast(Number, label).value)] * data.n


def _number(found: Classes, label: Any, model: str) -> int:
    """The number of a class in one row.

    Raises:
        RowError: CQ491.
    """
    plain = label if isinstance(label, str) or type(label) is int else None
    numbers = () if plain is None else found.numbers(plain)
    if len(numbers) != 1:
        known = ", ".join(f'"{name}"' for name in found.labels[:12]) + " …" * (len(found.labels) > 12)
        what = "names several classes of" if numbers else "names no class of"
        raise RowError("CQ491", f"a label {what} `{model}`", f"{label!r}", f"its classes: {known}")
    return numbers[0]


def size(model: LoadedModel) -> int:
    """How many logits a model gives at once."""
    found = loaded_classes(model)
    if found is not None:
        return len(found.labels)
    head: Any = unembedding(model.hf)
    return int(getattr(head, "out_features", None) or head.weight.shape[0])


def check_divergences(formulas: Iterable[Expr], models: Mapping[str, LoadedModel]) -> None:
    """Both sides of each `kl` are distributions over the same tokens or classes.

    Raises:
        DiagnosticError: CQ492.
    """
    for e in dict.fromkeys(e for formula in formulas for e in walk(formula, worlds=False)):
        if not (isinstance(e, Call) and e.function == "kl"):
            continue
        sides = [a.value if isinstance(a, Counterfactual) else a for a in e.arguments]
        names = dict.fromkeys(side.model for side in sides if isinstance(side, Distribution))
        for name in names:
            found = loaded_classes(models[name])
            if found is not None and found.scale in ("sigmoid", "score"):
                raise error(
                    "CQ492",
                    f"the classes of `{name}` do not exclude each other, so `{render(e)}` has no distributions",
                    e.span,
                    help="compare the probabilities of single classes",
                )
        if len(names) == 2 and len({_alphabet(models[name]) for name in names}) > 1:
            raise error(
                "CQ492",
                f"`{render(e)}` compares distributions over different words: the models have other vocabularies",
                e.span,
                help="two models are compared by the log-probabilities of answers",
            )


def _alphabet(model: LoadedModel) -> object:
    """What a model's distribution is over."""
    found = loaded_classes(model)
    if found is not None:
        return found.labels
    return size(model), frozenset(model.tokenizer.get_vocab().items())


def take(read: OutputRead, slot: Slot, logits: Tensor, left: tuple[int, ...]) -> Value:
    """One output on the rows of a slot: a number a row in float64, or a vector a row as the model gives it.

    Args:
        read: what is read. slot: where its rows stand in the batch.
        logits: of the batch, as `LoadedModel.forward` gives them. left: the shift of each item's positions by padding.
    """
    items = [own[0] for own in slot.items]
    places = [read.places[row] for row in slot.rows]
    match read.output:
        case Distribution(position=None):
            return Value(logits[items], (1,) * len(items))
        case Distribution():
            at = [place + left[item] for place, item in zip(places, items, strict=True)]
            return Value(logits[items, at], (1,) * len(items))
        case ClassScore(scale=scale):
            scores = logits[items].double()
            if scale == "softmax":
                scores = scores.softmax(-1)
            elif scale == "sigmoid":
                scores = scores.sigmoid()
            return Value(scores[torch.arange(len(items)), places])
        case _:
            return Value(logits[items][:, 0].double())
