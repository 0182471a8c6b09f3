"""References, vectors and donors as Python objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from causalcircuit.api.calls import call
from causalcircuit.api.quantities import Do, Models, Quantity, merge, quantity
from causalcircuit.api.rows import Data
from causalcircuit.check.draws import make_draw, make_resample
from causalcircuit.check.given import make_noise, make_vector
from causalcircuit.check.references import make_component, make_direction
from causalcircuit.query import Expr, Mean
from causalcircuit.query.circuits.baseline import Baseline


@dataclass(frozen=True)
class Means:
    """`mean` as one world of an attribution: every node that is considered is its mean."""

    baseline: Baseline
    models: Models = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        """As the language writes it."""
        return self.baseline.text()


@overload
def mean(of: Quantity, pooled: bool = False, on: Data | None = None) -> Quantity: ...
@overload
def mean(of: Do | None = None, pooled: bool = False, on: Data | None = None) -> Means: ...
def mean(of: Quantity | Do | None = None, pooled: bool = False, on: Data | None = None) -> Quantity | Means:
    """The mean of a site over the rows of the data, computed once and held fixed (see the language's meaning 6).

    Without a site it is a world for `attribute`, in which every node is its mean: `start=do(), end=mean()`.

    Args:
        of: a site, or its value in another world; or only the world in which means are taken.
        pooled: one value over rows and positions.
        on: the data; by default those that the question is asked on.
    """
    data = None if on is None else on.ref
    if of is None:
        return Means(Baseline(pooled=pooled, on=data))
    if isinstance(of, Do):
        return Means(Baseline(world=of.world, pooled=pooled, on=data), of.models)
    return Quantity(Mean(of.expr, pooled, data), of.models)


def direction(of: Quantity, to: Do, base: Do, pooled: bool = False, on: Data | None = None) -> Quantity:
    """The mean of a site in world `to` less its mean in world `base`, as it is; `unit` gives it length 1.

    Raises:
        DiagnosticError: CQ212, `of` is no site; CQ366, the worlds are one.
    """
    made = make_direction(of.expr, to.world, base.world, pooled, None if on is None else on.ref, None)
    return Quantity(made, merge(of.models, to.models, base.models))


def pc1(of: Quantity, pooled: bool = False, on: Data | None = None) -> Quantity:
    """The first principal component of a site over the rows: of length 1, its entry of largest size positive.

    Raises:
        DiagnosticError: CQ212, `of` is no site.
    """
    return Quantity(make_component(of.expr, pooled, None if on is None else on.ref, None), of.models)


def unit(of: Quantity) -> Quantity:
    """A vector divided by its length, at each position."""
    return call("unit", of)


def project_out(of: Quantity, direction: Quantity) -> Quantity:
    """A vector less its component along a direction, at each position."""
    return call("project_out", of, direction)


def noise(sd: float, seed: int) -> Quantity:
    """Gaussian noise on the site that an assignment sets: the same for a row in every world.

    Raises:
        DiagnosticError: CQ363, numbers that it cannot have.
    """
    return Quantity(make_noise(quantity(sd).expr, quantity(seed).expr, None))


def vector(file: str | Path, name: str, sha256: str = "") -> Quantity:
    """A vector of a safetensors file, read now.

    Raises:
        DiagnosticError: CQ411 to CQ415, there is none.
    """
    return Quantity(make_vector(Path(file).name, Path(file).resolve(), name, sha256, None))


def draw(
    name: str, seed: int, per: Quantity | None = None, outside: Quantity | None = None, times: int = 1
) -> Quantity:
    """Donors: each row gets another row of the data in its place where a world says so, `do({row: u})`.

    Args:
        name: the same name and seed are the same donors. seed: of the draw.
        per: a column that the donor shares. outside: one that it does not, such as the cluster's.
        times: how many donors a row has.

    Raises:
        DiagnosticError: CQ363, options that it cannot have.
    """
    return Quantity(make_draw(name, _options(seed, per, outside, times), None))


def resample(
    of: Quantity, seed: int, per: Quantity | None = None, outside: Quantity | None = None, times: int = 1
) -> Quantity:
    """A value on a donor of its own; of a set of nodes every member has one. Options as of `draw`.

    Raises:
        DiagnosticError: CQ214, an estimand; CQ363, options that it cannot have.
    """
    return Quantity(make_resample(of.expr, _options(seed, per, outside, times), None), of.models)


def _options(seed: int, per: Quantity | None, outside: Quantity | None, times: int) -> dict[str, Expr]:
    given = {"seed": quantity(seed).expr, "times": quantity(times).expr}
    columns = (("per", per), ("outside", outside))
    return given | {name: found.expr for name, found in columns if found is not None}
