"""What a prepared plan will cost, world by world, before anything of it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from causalcircuit.engine.cost.dims import dims_of
from causalcircuit.engine.cost.flops import Flops, flops_of
from causalcircuit.engine.cost.limit import weights_of
from causalcircuit.engine.cost.memory import kept_of, memory_of
from causalcircuit.engine.cost.passes import passes_of
from causalcircuit.engine.cost.seconds import Rates, Work, work_of
from causalcircuit.engine.cost.shapes import PassShape
from causalcircuit.engine.prepared import Prepared
from causalcircuit.engine.schedule import BARE, How, PassPlan
from causalcircuit.models import NEW
from causalcircuit.query import Generated


@dataclass(slots=True)
class RunCost:
    """One world of a plan.

    Attributes:
        base: the group of worlds whose bare pass it resumes or is; `None` where it shares nothing. records: it is it.
        tower, layer: where it resumes. first: the first position that is computed, the least over all passes.
        columns: positions of a line, the most. passes: how many it has a part in. flops: its share.
    """

    base: int | None = None
    records: bool = False
    tower: int = 0
    layer: int = 0
    first: int = 0
    columns: int = 0
    passes: int = 0
    flops: float = 0.0


@dataclass(slots=True)
class PlanCost:
    """What a plan costs.

    Attributes:
        passes, row_passes: of models, and of single rows. flops, seconds: of all of them.
        weights, activations, kept: bytes that are held at the most expensive moment.
        runs: by number. bare: what passes cost that are made for others only, by their group.
        longest: the positions of the longest row, over all towers. most: texts may end earlier, so this is the most.
    """

    passes: int = 0
    row_passes: int = 0
    flops: Flops = field(default_factory=Flops)
    seconds: float = 0.0
    weights: int = 0
    activations: int = 0
    kept: int = 0
    runs: dict[int, RunCost] = field(default_factory=dict)
    bare: dict[int, RunCost] = field(default_factory=dict)
    longest: int = 0
    most: bool = False

    @property
    def memory(self) -> int:
        """Bytes at the most expensive moment."""
        return self.weights + self.activations + self.kept


def predict(prepared: Prepared, limit: int, how: How, rates: Mapping[str, Rates]) -> PlanCost:
    """The cost of a plan, that of references over other data included.

    Args:
        prepared: of loaded or sketched models. limit, how: as of `execute`. rates: by name of the model.
    """
    dims = {name: dims_of(model) for name, model in prepared.models.items()}
    total = PlanCost(weights=weights_of(prepared.models))
    held: dict[int, int] = {}
    now = range(0)
    read = 0
    for chunk, plan, shapes in passes_of(prepared, limit, how):
        if chunk != now:
            held, read, now = {}, 0, chunk
        own = dims[plan.model.ref.name]
        pairs = sum(len(s.rows) for s in plan.slots)
        each = [flops_of(own, shape) for shape in shapes]
        flops = sum(each, Flops())
        work = sum((work_of(own, shape, pairs) for shape in shapes), Work())
        total.flops += flops
        total.seconds += rates[plan.model.ref.name].seconds(work)
        total.passes += len(shapes)
        said = plan.slots[0].setup.run.said
        steps = said.tokens if isinstance(said, Generated) and plan.base is None else 1
        total.row_passes += sum(len(own) for s in plan.slots for own in s.items) * steps
        if plan.records and plan.base is not None:
            held[plan.base] = kept_of(own, shapes[0]) * own.size
        read += _read(plan) * own.size
        total.activations = max(total.activations, *(memory_of(own, s).activations for s in shapes))
        total.kept = max(total.kept, sum(held.values()) + read)
        total.most = total.most or isinstance(said, Generated)
        _share(total, plan, shapes, flops.total)
    total.longest = max((s.cost(row) for s in prepared.setups for row in range(prepared.data.n)), default=0)
    for other in prepared.elsewhere:
        _add(total, predict(other, limit, how, rates))
    return total


def _add(total: PlanCost, other: PlanCost) -> None:
    total.passes += other.passes
    total.row_passes += other.row_passes
    total.flops += other.flops
    total.seconds += other.seconds
    total.activations = max(total.activations, other.activations)
    total.kept = max(total.kept, other.kept)
    total.longest = max(total.longest, other.longest)
    total.most = total.most or other.most


def _read(plan: PassPlan) -> int:
    """Numbers that a pass leaves for later ones."""
    total = 0
    for slot in plan.slots:
        for read in slot.setup.sites:
            total += sum(sum(1 for p in read.positions[row] if p != NEW) for row in slot.rows) * read.info.width
        total += 2 * len(slot.rows) * len(slot.setup.readouts)
    return total


def _share(total: PlanCost, plan: PassPlan, shapes: list[PassShape], flops: float) -> None:
    """Divide a pass among its worlds, by their items."""
    items = sum(len(own) for s in plan.slots for own in s.items)
    for slot in plan.slots:
        if slot.index == BARE:
            found = total.bare.setdefault(plan.base if plan.base is not None else BARE, RunCost())
        else:
            found = total.runs.setdefault(slot.index, RunCost())
        fresh = found.passes == 0
        last = shapes[-1].towers[-1]
        found.base, found.records = plan.base, plan.records
        found.tower, found.layer = (plan.start.tower, plan.start.layer) if not plan.records else (0, 0)
        found.first = plan.first if fresh else min(found.first, plan.first)
        found.columns = max(found.columns, last.length)
        found.passes += len(shapes)
        found.flops += flops * sum(len(own) for own in slot.items) / max(1, items)
