"""Vectors that no model gives: noise, and those of a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from causalcircuit.query.expr import Expr, Site


@dataclass(frozen=True, slots=True)
class Noise(Expr):
    """`noise(sd = 0.1, seed = 3)`: Gaussian noise on the site that an assignment sets.

    It belongs to (seed, row, address, position, component) and to nothing else: the same in every world. `site` is the
    target of the assignment, known once a plan is made.
    """

    sd: float
    seed: int
    site: Site | None = None


@dataclass(frozen=True, slots=True)
class Vector(Expr):
    """`vector("f.safetensors", "name")`: a vector of a file, read when the program is checked.

    Attributes:
        file: as written, for reports. name: of the tensor.
        sha256: of its numbers as float64, little-endian: what the vector is, wherever the file lies.
    """

    file: str = field(compare=False)
    name: str
    sha256: str
    values: tuple[float, ...] = field(compare=False, repr=False)
