"""The model that a config describes, without a number in it, held against what the files say they hold.

Built on torch's `meta` device it costs milliseconds and no memory, whatever its size; so a config of absurd size, or
one that belongs to other weights, is refused before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as registration
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import convert_and_load_state_dict_in_model
from transformers.modeling_utils import LoadStateDictConfig

from causalcircuit.query.tensors import Headers

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "BOOL": torch.bool,
}
_SPARE_MODULES, _MODULES_A_TENSOR = 1000, 10
_MOST_TENSORS, _MOST_NUMBERS = 100_000, 10**13
"""Beyond what any published model has; the limits where no file sets one."""


class SurveyError(ValueError):
    """A config that asks for another model than the files hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A model without numbers.

    Attributes:
        model: on the meta device. size: bytes of its parameters and buffers, those that are shared counted once.
    """

    model: nn.Module
    size: int


def survey(kind: Any, config: Any, headers: Headers, dtype: torch.dtype, *, packed: bool) -> Survey:
    """Build a model on the meta device, and hold its parameters against the files.

    Args:
        kind: the class. config: an instance of its config class.
        headers: of the files. dtype: of the parameters.
        packed: the weights are quantised: names and shapes are the quantiser's own, only the amount is compared.

    Raises:
        SurveyError: the config asks for more than the files hold, or for other names or shapes.
        Exception: whatever the class raises on a config that it cannot take.
    """
    bits = sum(e.size * 8 for e in headers.values())
    numbers = bits if packed else sum(e.numbers for e in headers.values())
    with bounded(len(headers), numbers), ExitStack() as contexts:
        for context in kind.get_init_context(dtype, False, False, False):
            contexts.enter_context(context)
        model = kind(config)
    if not packed:
        _compare(model, headers, dtype)  # which ties what the files leave to be tied
    shared = {id(t): t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers())}
    return Survey(model, sum(shared.values()))


def outlined(kind: Any, config: Any, dtype: torch.dtype, headers: Headers | None) -> nn.Module:
    """The same model, without holding it against files: there may be none.

    Args:
        kind, config, dtype: as in `survey`. headers: of the files, where they are there.

    Raises:
        SurveyError: it is larger than the files, or than any model.
    """
    numbers = _MOST_NUMBERS if headers is None else sum(e.size * 8 for e in headers.values())
    with bounded(_MOST_TENSORS if headers is None else len(headers), numbers), ExitStack() as contexts:
        for context in kind.get_init_context(dtype, False, False, False):
            contexts.enter_context(context)
        made: nn.Module = kind(config)
    tie = getattr(made, "tie_weights", None)
    if tie is not None:
        tie()
    return made


@contextmanager
def bounded(tensors: int, numbers: int) -> Iterator[None]:
    """Stop the building of a model as soon as it is larger than any that the files could fill.

    Raises:
        SurveyError: inside, from the constructor that goes too far.
    """
    # Tied weights stand in the files once, and are registered twice; heads and poolers may be missing.
    most = 4 * numbers + 10_000_000
    count = [0, 0]

    def module(owner: nn.Module, name: str, made: nn.Module | None) -> None:
        count[0] += 1
        if count[0] > _SPARE_MODULES + _MODULES_A_TENSOR * tensors:
            raise SurveyError(f"config.json asks for {count[0]} modules and more, the files hold {tensors} tensors")

    def parameter(owner: nn.Module, name: str, made: Tensor | None) -> None:
        count[1] += 0 if made is None else made.numel()
        if count[1] > most:
            raise SurveyError(f"config.json asks for more than {count[1]:.3g} parameters, the files hold {numbers:.3g}")

    hooks = [
        registration.register_module_module_registration_hook(module),
        registration.register_module_parameter_registration_hook(parameter),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _compare(model: Any, headers: Headers, dtype: torch.dtype) -> None:
    """What transformers will find missing or of another shape, by its own rules, without a number being read."""
    files = {
        name: torch.empty(e.shape, dtype=_DTYPES.get(e.dtype, torch.uint8), device="meta")
        for name, e in headers.items()
    }
    how = LoadStateDictConfig(
        ignore_mismatched_sizes=True,
        device_map={"": torch.device("meta")},
        dtype=dtype,
        weight_mapping=get_model_conversion_mapping(model, None, None),
    )
    info, _ = convert_and_load_state_dict_in_model(model, files, how)
    model.mark_tied_weights_as_initialized(info)
    model.tie_weights(missing_keys=info.missing_keys, recompute_mapping=False)
    model._adjust_missing_and_unexpected_keys(info)
    complain(info.missing_keys, [(str(k), *s) for k, *s in info.mismatched_keys])


def complain(missing: Any, mismatched: Any) -> None:
    """Refuse weights that would be random.

    Args:
        missing: names of parameters that no file holds. mismatched: (name, shape in the file, shape in the model).

    Raises:
        SurveyError: any of them is read.
    """
    # A pooler is often left untrained and never read; any other missing weight would be random.
    lost = sorted(k for k in missing if "pooler" not in k)
    if lost:
        raise SurveyError(f"{len(lost)} weights are not in the files ({', '.join(lost[:3])})")
    other = sorted(f"{k}: {list(there)} for {list(here)}" for k, there, here in mismatched)
    if other:
        raise SurveyError(f"weights in the files have other shapes than config.json says ({', '.join(other[:3])})")
