"""`noise(sd = 0.1, seed = 3)` and `vector("f.safetensors", "name")`; the same for text and for Python objects."""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from causalcircuit.check.arguments import sorted_out, whole
from causalcircuit.check.wording import shown
from causalcircuit.diagnostics import Span, did_you_mean, error, instead_of
from causalcircuit.query import Expr, Noise, Number, Text, Vector
from causalcircuit.query.tensors import FLOATS, HeaderError, read_headers, read_numbers
from causalcircuit.syntax.trees import Node

if TYPE_CHECKING:
    from causalcircuit.check.expressions import Lowering

_NOISE = ("noise(sd = 0.1, seed = 3)",)
_VECTOR = ('vector("f.safetensors", "name")',)
_SHOWN = 8


def noise(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`noise(sd = 0.1, seed = 3)`."""
    given = sorted_out(low, arguments, span, _NOISE, plain=0, names=("sd", "seed"))
    found = {name: low.expr(node) for name, node in given.named.items()}
    return make_noise(found.get("sd"), found.get("seed"), span)


def make_noise(sd: Expr | None, seed: Expr | None, span: Span | None) -> Noise:
    """Gaussian noise.

    Raises:
        DiagnosticError: CQ354, without a seed; CQ363, numbers that it cannot have.
    """
    if seed is None:
        raise error("CQ354", "noise is drawn, and needs a `seed`", span, help=f"write `{_NOISE[0]}`")
    size = sd.value if isinstance(sd, Number) and sd.unit is None else -1.0
    if not 0 < size < math.inf:
        said = "is missing" if sd is None else f"is a positive number, and `{shown(sd)}` is none"
        raise error("CQ363", f"`sd` {said}", (sd.span if sd else None) or span, help=f"write `{_NOISE[0]}`")
    return Noise(size, whole(seed, "seed", 0, span), span=span)


def vector(low: Lowering, arguments: list[Node], span: Span) -> Expr:
    """`vector("f.safetensors", "name")`."""
    given = sorted_out(low, arguments, span, _VECTOR, plain=2, names=("sha256",))
    said = [low.expr(node) for node in (*given.plain, *given.named.values())]
    if not all(isinstance(e, Text) for e in said):
        raise error("CQ207", "`vector` takes a file and a name, in quotes", span, help=f"write `{_VECTOR[0]}`")
    file, name, *pin = [e.value for e in said if isinstance(e, Text)]
    return make_vector(file, Path(low.scope.resolve(file)), name, pin[0] if pin else "", span)


def make_vector(file: str, path: Path, name: str, pin: str, span: Span | None) -> Vector:
    """A vector of a file, read now: what the file holds later makes no difference.

    Args:
        file: as written. path: where it lies. name: of the tensor. pin: how its sha256 must begin.

    Raises:
        DiagnosticError: CQ411 a file that cannot be read, CQ412 no such tensor, CQ413 no vector of floats, CQ414
            numbers that are not finite, or all 0; CQ415, another vector than the one that is pinned.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        near = instead_of(path.name, (p.name for p in path.parent.glob("*.safetensors")))
        raise error(
            "CQ411",
            f"the file `{path.name}` {what}",
            span,
            "this file",
            help=(near, f"looked for {path}", "paths are relative to the file that names them"),
        )
    try:
        headers = read_headers([path])
        if name not in headers:
            names = ", ".join(f"`{n}`" for n in [*headers][:_SHOWN]) or "none"
            more = f" and {len(headers) - _SHOWN} more" if len(headers) > _SHOWN else ""
            raise error(
                "CQ412",
                f"the file `{path.name}` has no tensor `{name}`",
                span,
                help=(did_you_mean(name, list(headers)), f"tensors in it: {names}{more}"),
            )
        entry = headers[name]
        if entry.dtype not in FLOATS or len(entry.shape) != 1 or not entry.numbers:
            size = "×".join(map(str, entry.shape)) or "a single number"
            raise error(
                "CQ413",
                f"`{name}` of `{path.name}` is no vector of floats: it is {entry.dtype}, {size}",
                span,
                help=f'store one axis of {", ".join(FLOATS)}: `save_file({{"{name}": tensor.flatten()}}, …)`',
            )
        values = read_numbers(path, name)
    except (HeaderError, OSError) as problem:
        raise error(
            "CQ411", f"the file `{path.name}` cannot be read: {problem}", span, help="write it with safetensors"
        ) from None
    bad = next((i for i, x in enumerate(values) if not math.isfinite(x)), None)
    if bad is not None or not any(values):
        what = f"holds {values[bad]} at {bad}" if bad is not None else "is all 0"
        raise error(
            "CQ414", f"`{name}` of `{path.name}` {what}", span, help="a vector has finite numbers, some of them not 0"
        )
    digest = hashlib.sha256(struct.pack(f"<{len(values)}d", *values)).hexdigest()
    if not digest.startswith(pin.lower()):
        raise error(
            "CQ415",
            f"`{name}` of `{path.name}` is not the vector that is pinned: its sha256 begins with {digest[:16]}",
            span,
            help="use the file that was meant, or change `sha256`",
        )
    return Vector(file, name, digest, values, span=span)
