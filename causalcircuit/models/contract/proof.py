"""What was proven of each tensor."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven of each tensor.

    Attributes:
        refused: tensors that failed a clause, with what failed.
        sloped: tensors whose gradient disagrees with a central difference: no gradient of theirs is to be used.
        unread: tensors that nothing the output depends on
            reads, so that no gradient reaches them.
        still: tensors of which the output does not depend on the part that is assigned to prove them.
        assigned: tensors whose assignment was proven; that of the others is proven when it is first made.
    """

    refused: dict[str, str] = field(default_factory=dict)
    sloped: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    still: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
