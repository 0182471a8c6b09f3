"""How far the items of a batch are from its first one, in one tensor, all at once."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Moved:
    """For each item and number of positions from the start, less one: the largest difference, and the largest number.

    Attributes:
        far, size: [items][positions].
    """

    far: list[list[float]]
    size: list[list[float]]

    def gap(self, item: int, before: int | None = None) -> float:
        """The largest difference from item 0, relative to the largest number of both, as `close.gap` has it.

        Args:
            item: of the batch. before: only positions before this one; all where `None`.
        """
        last = len(self.far[item]) - 1 if before is None else min(before, len(self.far[item])) - 1
        if last < 0:
            return 0.0
        return self.far[item][last] / max(self.size[0][last], self.size[item][last], 1e-12)


def moved(value: Tensor, places: Tensor) -> Moved:
    """Compare items.

    Args:
        value: [places, ...] a tensor of a batch. places: [items, positions] where its items stand in it.
    """
    items, positions = places.shape
    if not positions or not value[0].numel():
        return Moved([[]] * items, [[]] * items)
    lines = value[places.to(value.device)].reshape(items, positions, -1)
    far = (lines - lines[:1]).abs().amax(-1).cummax(-1).values
    return Moved(far.tolist(), lines.abs().amax(-1).cummax(-1).values.tolist())
