"""When in a pass a tensor is seen: in which block of which tower, and as what part of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from causalcircuit.models.model import LoadedModel
from causalcircuit.models.overlay import NodeTap, needed, unsettled

_BLOCK = re.compile(r"(resid|layer)\[(\d+)\](?:\.(.+))?$")


@dataclass(frozen=True, slots=True)
class Moment:
    """The number of a tower in order of computation, the block that must run, and the tensor's name inside it.

    The stream between two blocks belongs to the later one, with no name; what leaves a tower to the one after its last.
    """

    tower: int
    layer: int
    part: str = ""


def moments_of(model: LoadedModel, tensors: Iterable[str]) -> Iterator[Moment | None]:
    """When some tensors are seen, and all that they are calculated from; `None` for a module by its path."""
    for name in needed(model.taps, set(tensors)):
        if not isinstance(model.taps.get(name), NodeTap):  # what it hangs on is among the needed
            yield _moment(model, unsettled(name))


def _moment(model: LoadedModel, name: str) -> Moment | None:
    if name == "projector.out":
        seen = next(i for i, s in enumerate(model.stacks) if s.tower.modality != "text")
        return Moment(seen, len(model.stacks[seen].blocks), name)
    for number, stack in enumerate(model.stacks):
        if not name.startswith(stack.tower.prefix):
            continue
        rest = name.removeprefix(stack.tower.prefix)
        if rest == "final_norm":
            return Moment(number, len(stack.blocks), rest)
        found = _BLOCK.match(rest)
        if found is not None:
            return Moment(number, int(found.group(2)), found.group(3) or "")
    return None
