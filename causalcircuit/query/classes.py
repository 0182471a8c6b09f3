"""What a classifier's `config.json` says of its classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from causalcircuit.query.expr import Scale

_SCALES = {
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
    "regression": "score",
}


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes that a model gives scores of.

    Attributes:
        labels: by number. scale: what the config says that their scores mean; `None` where it is silent.
    """

    labels: tuple[str, ...]
    scale: Scale | None

    def numbers(self, label: str | int) -> tuple[int, ...]:
        """The classes of that label, or number: none, one, or several that share a label."""
        if isinstance(label, str):
            return tuple(i for i, known in enumerate(self.labels) if known == label)
        return (label,) if 0 <= label < len(self.labels) else ()


def classes_of(config: Mapping[str, Any]) -> Classes | None:
    """The classes of the model that a `config.json` describes; `None` where it is no classifier of whole inputs.

    Args:
        config: the parsed file, or `to_dict()` of a loaded config with its `architectures`.
    """
    named = " ".join(map(str, config.get("architectures") or ()))
    if "Classification" not in named or "TokenClassification" in named:
        return None
    said = config.get("id2label")
    if isinstance(said, Mapping) and said:
        labels = {int(k): str(v) for k, v in said.items() if str(k).isdigit()}
        names = tuple(labels.get(i, f"LABEL_{i}") for i in range(max(labels, default=-1) + 1))
    else:
        count = config.get("num_labels")
        names = tuple(f"LABEL_{i}" for i in range(count if isinstance(count, int) and 0 < count < 10**6 else 2))
    return Classes(names, cast("Scale | None", _SCALES.get(str(config.get("problem_type")))))
