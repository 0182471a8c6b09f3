"""Canonical text: what an expression or a world reads like in the language, one spelling each."""

from __future__ import annotations

from collections.abc import Mapping

from causalcircuit.query.address import quoted
from causalcircuit.query.chat import Chat, Picture, Turn
from causalcircuit.query.expr import (
    Applied,
    Assignment,
    Binary,
    Call,
    ClassScore,
    Column,
    Compare,
    Counterfactual,
    Distribution,
    Draw,
    Expect,
    Expr,
    Generated,
    Input,
    Items,
    Logic,
    Mentions,
    Negative,
    Number,
    OwnRow,
    Probability,
    Readout,
    Similarity,
    Site,
    Statistic,
    Term,
    Text,
    Truth,
    Wire,
    Wires,
    Within,
    World,
)
from causalcircuit.query.given import Noise, Vector
from causalcircuit.query.identification import AnyValue, Variable
from causalcircuit.query.statistics import Component, Direction
from causalcircuit.query.summaries import Correlation, Quantile

Names = Mapping[Expr | World, str]
_LEVEL = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}


def render(item: Expr | World, names: Names | None = None) -> str:
    """The canonical text of `item`; what has a name in `names` is written by that name.

    Without `names` the text is self-contained: it names sites, columns and numbers only.
    """
    return _world(item, names or {}) if isinstance(item, World) else _expr(item, names or {}, 0)


def number(value: float, unit: str | None = None) -> str:
    """A number as the language writes it; `0.05` with unit `pp` reads `5 pp`."""
    shown = value * 100 if unit in ("pp", "%") else value
    shown = (round(shown, 12) if unit in ("pp", "%") else float(shown)) + 0.0  # -0.0 is the same number as 0.0
    text = repr(shown)
    text = text.removesuffix(".0")
    return f"{text}%" if unit == "%" else f"{text} {unit}" if unit else text


def _expr(e: Expr, names: Names, outer: int) -> str:
    named = names.get(e)
    if named is not None:
        return named
    match e:
        case Number(value=value, unit=unit):
            text = number(value, unit)
            return f"({text})" if value < 0 and outer > 1 else text
        case Text(value=text):
            return quoted(text)
        case Truth(value=value):
            return "true" if value else "false"
        case Items(items=items):
            return f"[{', '.join(_expr(i, names, 0) for i in items)}]"
        case Column(name=name):
            return f"row.{name}"
        case Variable(name=name):
            return name
        case AnyValue():
            return "*"
        case Site(address=address, position=position):
            return f"{address} @ {position}"
        case Input(model=model, channel=channel):
            return f"{model}.{channel}"
        case Readout(model=model, kind=kind, answer=answer, position=position):
            return f"{model}.{kind}[{_expr(answer, names, 0)}{', per_token' * e.per_token}] @ {position}"
        case ClassScore(model=model, label=label, scale=scale):
            return f"{model}.class[{_expr(label, names, 0)}, {scale}]"
        case Similarity(model=model):
            return f"{model}.similarity"
        case Distribution(model=model, position=position):
            return f"{model}.logits" + ("" if position is None else f" @ {position}")
        case Generated(model=model, tokens=tokens, temperature=temperature, seed=seed):
            said = [f"tokens = {tokens}"]
            if temperature is not None:
                said += [f"temperature = {number(temperature)}", f"seed = {seed}"]
            return f"{model}.text({', '.join(said)})"
        case Mentions(value=value, words=words):
            return _wrap(f"{_expr(value, names, 1)} mentions {_expr(words, names, 1)}", 0, outer)
        case Statistic(pooled=pooled, on=on):
            name, said = _statistic(e, names)
            said += [*(["pooled"] if pooled else []), *([] if on is None else [f"on = {on.label}"])]
            return f"{name}({', '.join(said)})"
        case OwnRow():
            return "row"
        case Draw(name=drawn, seed=seed, per=per, outside=outside, times=times, number=k):
            said = [quoted(drawn), f"seed = {seed}"]
            said += [f"{w} = {_expr(c, {}, 0)}" for w, c in (("per", per), ("outside", outside)) if c is not None]
            said += [f"times = {times}"] if times > 1 else []
            return f"draw({', '.join(said)})" + ("" if k is None else f"[{k}]")
        case Noise(sd=sd, seed=seed):
            return f"noise(sd = {number(sd)}, seed = {seed})"
        case Vector(file=file, name=name, sha256=digest):
            return f"vector({quoted(file)}, {quoted(name)}, sha256 = {quoted(digest[:16])})"
        case Call(function=function, arguments=arguments) | Applied(function=function, arguments=arguments):
            return f"{function}({', '.join(_expr(a, names, 0) for a in arguments)})"
        case Negative(operand=operand):
            return _wrap(f"-{_expr(operand, names, 3)}", 1, outer)
        case Binary(op=op, left=left, right=right):
            level = _LEVEL[op]
            tighter_left = level + 1 if op == "^" else level
            first = _expr(left, names, tighter_left)
            if op in "+-" and isinstance(left, Site | Readout | Distribution) and left not in names and _whole(right):
                first = f"({first})"  # `A @ last - 1` would be read as an offset of the position
            text = f"{first}{op if op == '^' else f' {op} '}{_expr(right, names, level + 1)}"
            return _wrap(text, level, outer)
        case Compare(op=op, left=left, right=right):
            return _wrap(f"{_expr(left, names, 1)} {op} {_expr(right, names, 1)}", 0, outer)
        case Within(value=value, low=low, high=high, outside=outside):
            word = "outside" if outside else "within"
            text = f"{_expr(value, names, 1)} {word} [{_expr(low, names, 0)}, {_expr(high, names, 0)}]"
            return _wrap(text, 0, outer)
        case Logic(op="not", operands=(Counterfactual() as operand,)):
            return _wrap(f"not {_expr(operand, names, 0)}", 0, outer)
        case Logic(op="not", operands=(operand,)):
            return _wrap(f"not ({_expr(operand, names, 0)})", 0, outer)
        case Logic(op=op, operands=operands):
            text = f" {op} ".join(
                f"({_expr(o, names, 0)})" if isinstance(o, Logic) else _expr(o, names, 0) for o in operands
            )
            return _wrap(text, 0, outer)
        case Counterfactual(value=value, world=world):
            return f"({_expr(value, names, 0)} | {_world(world, names)})"
        case Wire(source=source, target=target):
            return f"({_expr(source, names, 0)} -> {_expr(target, names, 0)})"
        case Wires(circuit=circuit, complement=complement):
            from causalcircuit.query.circuits.wording import text_of

            text = names.get(Wires(e.model, circuit)) or text_of(circuit, names)
            return f"outside({text})" if complement else text
        case Expect(value=value, world=world, condition=condition):
            return f"E[{_conditioned(value, world, condition, names)}]"
        case Probability(event=event, world=world, condition=condition):
            return f"P({_conditioned(event, world, condition, names)})"
        case Quantile(value=value, world=world, share=share):
            return f"quantile({_in_world(value, world, names)}, {number(share)})"
        case Correlation(value=value, world=world, other=other):
            return f"correlation({_in_world(value, world, names)}, {_in_world(other, world, names)})"
        case Term(index=index):
            return f"term[{index}]"
        case Chat(turns=turns):
            return f"[{', '.join(_turn(t, names) for t in turns)}]" if turns else "none"
        case Picture():
            return "image"
        case _:  # pragma: no cover - every class of the algebra is listed above
            raise TypeError(f"no canonical text for {type(e).__name__}")


def _statistic(e: Statistic, names: Names) -> tuple[str, list[str]]:
    """The name of a reference, and what it is taken of."""
    match e:
        case Direction(of=Counterfactual(value=of, world=to), than=Counterfactual(world=base)):
            return "direction", [_expr(of, names, 0), _world(to, names), _world(base, names)]
        case Component(of=of):
            return "pc1", [_expr(of, names, 0)]
        case _:
            return "mean", [_expr(e.of, names, 0)]


def _turn(turn: Turn, names: Names) -> str:
    parts = ", ".join(_expr(part, names, 0) for part in turn.parts)
    return f"{turn.role} {parts}" if len(turn.parts) == 1 else f"{turn.role} [{parts}]"


def _whole(e: Expr) -> bool:
    return isinstance(e, Number) and e.unit is None and e.value.is_integer()


def _wrap(text: str, level: int, outer: int) -> str:
    return f"({text})" if outer > level else text


def _in_world(value: Expr, world: World, names: Names) -> str:
    return _expr(value if world.factual else Counterfactual(value, world), names, 0)


def _conditioned(value: Expr, world: World, condition: Expr | None, names: Names) -> str:
    given = ([] if world.factual else [_world(world, names, inside=True)]) + (
        [] if condition is None else [_expr(condition, names, 0)]
    )
    return _expr(value, names, 0) + (f" | {', '.join(given)}" if given else "")


def _world(world: World, names: Names, inside: bool = False) -> str:
    """A world by its name, as a union of a named one and the rest, or in full."""
    if world in names:
        return names[world]
    best: World | None = None
    for candidate in names:
        if (
            isinstance(candidate, World)
            and not candidate.factual
            and set(candidate.assignments) < set(world.assignments)
            and (best is None or len(candidate.assignments) > len(best.assignments))
        ):
            best = candidate
    if best is not None and inside:
        rest = World(tuple(a for a in world.assignments if a not in best.assignments))
        return f"{names[best]}, {_world(rest, names, inside=True)}"
    return f"do({', '.join(assignment(a, names) for a in world.assignments)})"


def assignment(a: Assignment, names: Names | None = None) -> str:
    """`target = value`, as inside `do(…)`."""
    # An event that stands for a variable of a diagram keeps its own signs in parentheses.
    return f"{_expr(a.target, names or {}, 1)} = {_expr(a.value, names or {}, 0)}"
