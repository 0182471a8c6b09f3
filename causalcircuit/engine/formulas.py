"""Values with every nested world written out, so that each leaf names the world it is read in. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from causalcircuit.diagnostics import error
from causalcircuit.query import (
    FACTUAL,
    ROW,
    Address,
    Assignment,
    Column,
    Counterfactual,
    Draw,
    Expr,
    Generated,
    Input,
    Noise,
    Output,
    OwnRow,
    Readout,
    Site,
    Statistic,
    Text,
    Wire,
    Wires,
    World,
    children,
    is_text,
    models_of,
    rebuild,
    render,
    tensor_of,
)

TEXTS = ("input", "prefix")
"""The inputs that are texts."""


def in_world(e: Expr, world: World) -> Expr:
    """`e` as it reads in `world`: each site and readout becomes a `Counterfactual`; a nested world inherits nothing.

    A reference without a world of its own is that of the factual world.
    """
    match e:
        case Generated():
            return Counterfactual(e, projected(world, e.model), span=e.span)
        case Readout(answer=answer) if is_text(answer):
            said = replace(e, answer=in_world(answer, world))
            return Counterfactual(said, projected(world, e.model), span=e.span)
        case Site() | Output():
            return Counterfactual(e, projected(_prompted(world, model_of(e)), model_of(e)), span=e.span)
        case Counterfactual(value=value, world=own):
            return in_world(value, own)
        case Column() if world.donor is not None:
            return Counterfactual(e, _of_donor(world), span=e.span)
        case Statistic():
            return rebuild(e, lambda part: in_world(_at_prompt(part), FACTUAL))
        case Input():
            raise error(
                "CQ352",
                f"`{render(e)}` is no number: an input has no value to calculate with",
                e.span,
                help="assign inputs from columns and strings: `do(m.input = row.source)`",
            )
        case _:
            return rebuild(e, lambda child: in_world(child, world))


def _of_donor(world: World) -> World:
    """`do(row = u)` of a world that has a donor."""
    return World(tuple(a for a in world.assignments if a.target == ROW))


def column_of(e: Expr) -> tuple[Column, Draw | None] | None:
    """The column that a leaf of a formula is, with the draw whose donors it is of; `None` for other leaves."""
    if isinstance(e, Counterfactual) and isinstance(e.value, Column):
        return e.value, e.world.donor
    return (e, None) if isinstance(e, Column) else None


def _prompted(world: World, model: str) -> World:
    """`world` less what holds at generated positions of `model` only: a pass without a text has none."""
    kept = tuple(
        a
        for a in world.assignments
        if not isinstance(a.target, Site) or a.target.position.prompted or a.target.address.model != model
    )
    return world if len(kept) == len(world.assignments) else World(kept, world.span)


def _at_prompt(of: Expr) -> Expr:
    """A site of a reference, which is computed over positions of the prompt only."""
    if isinstance(of, Counterfactual):
        return replace(of, value=_at_prompt(of.value))
    if isinstance(of, Site) and of.position.new and of.position.prompted is not None:
        return replace(of, position=of.position.prompted)
    return of


def said_in(leaf: Counterfactual) -> Expr | None:
    """The text that a pass of its own is made for: a `Generated`, or a `Counterfactual` of one that is forced."""
    if isinstance(leaf.value, Readout):
        return leaf.value.answer if is_text(leaf.value.answer) else None
    return leaf.value if isinstance(leaf.value, Generated) else None


def assigned(a: Assignment, world: World) -> Expr:
    """The value of one assignment of `world`.

    The bare target, at whatever positions, is its natural value in this world. Any other bare site is read in this
    world less all that is assigned to the target's tensor: assignments are simultaneous, so two heads trade values
    in `do(A = B, B = A)`.

    Raises:
        DiagnosticError: CQ352, a value that an assignment cannot take.
    """
    if isinstance(a.target, Input):
        return _fed(a, world)
    if isinstance(a.target, OwnRow):
        return a.value
    if not isinstance(a.target, Site):
        raise error(
            "CQ352", f"`{render(a.target)}` cannot be assigned", a.span, help="assign a site at positions, or an input"
        )
    target, address = a.target, a.target.address

    def visit(e: Expr) -> Expr:
        match e:
            case Site():
                return e if e.address == address else in_world(e, _less_tensor(world, address))
            case Output():
                raise error(
                    "CQ352",
                    f"`{render(e)}` depends on `{render(a.target)}`, which it would set",
                    a.span or e.span,
                    help=f"name the world it is read in: `({render(e)} | do())`",
                )
            case Counterfactual() | Statistic() | Input() | Column():
                return in_world(e, world)
            case Noise():
                return replace(e, site=target)
            case _:
                return rebuild(e, visit)

    return visit(a.value)


def _less_tensor(world: World, address: Address) -> World:
    """`world` less its assignments to the tensor that `address` indexes."""
    tensor = tensor_of(address)
    kept = (a for a in world.assignments if not (isinstance(a.target, Site) and tensor_of(a.target.address) == tensor))
    return World(tuple(kept), world.span)


def _fed(a: Assignment, world: World) -> Expr:
    """What an input is fed in `world`: a column, a string, a text that a model writes, or what another world feeds it.

    A bare text is written in `world` less this assignment.
    """
    value = a.value
    if isinstance(value, Counterfactual) and value.value == a.target and value.world.donor == world.donor:
        found = value.world.value_of(a.target)
        if found is not None:
            return _fed(Assignment(a.target, found, a.span), value.world)
    if isinstance(value, Column | Text):
        return value
    own = isinstance(value, Generated) and value.model == target_model(a.target)  # it would read what it writes
    if is_text(value) and not own and isinstance(a.target, Input) and a.target.channel in TEXTS:
        return in_world(value, world.without(a.target))
    raise error(
        "CQ352",
        f"`{render(a.target)}` cannot be fed `{render(value)}`",
        a.span or value.span,
        help='an input takes a column, a string, or a text: `row.source`, `"a"`, `(m.text(tokens = 9) | do())`',
    )


def model_of(leaf: Expr) -> str:
    """The model that a site or readout belongs to."""
    if isinstance(leaf, Site):
        return leaf.address.model
    if isinstance(leaf, Output):
        return leaf.model
    raise TypeError(f"{render(leaf)} belongs to no model")


def projected(world: World, model: str) -> World:
    """The assignments of `world` that can move `model`: its own, and those of models that their values read."""
    concerned = {model}
    while True:
        kept = tuple(a for a in world.assignments if a.target == ROW or target_model(a.target) in concerned)
        grown = concerned.union(*(models_of(a.value) for a in kept))
        if grown == concerned:
            return world if len(kept) == len(world.assignments) else World(kept, world.span)
        concerned = grown


def target_model(target: Expr) -> str:
    """The model that an assignment's target belongs to; none of `row`, on which all of them run."""
    if isinstance(target, OwnRow):
        return ""
    if isinstance(target, Wire):
        return model_of(target.source)
    return target.model if isinstance(target, Input | Wires) else model_of(target)


def leaves(formula: Expr) -> Iterator[Counterfactual]:
    """The reads in other worlds that a formula is made of; those of its references are not among them."""
    if isinstance(formula, Counterfactual):
        if not isinstance(formula.value, Column):
            yield formula
    elif not isinstance(formula, Statistic):
        for child in children(formula):
            yield from leaves(child)


def statistics(formula: Expr) -> Iterator[Statistic]:
    """The references that a formula is made of, outermost only."""
    if isinstance(formula, Statistic):
        yield formula
    else:
        for child in children(formula):
            yield from statistics(child)


def bare_sites(formula: Expr) -> Iterator[Site]:
    """The natural values that a formula is made of."""
    if isinstance(formula, Site):
        yield formula
    elif not isinstance(formula, Counterfactual | Statistic):
        for child in children(formula):
            yield from bare_sites(child)
