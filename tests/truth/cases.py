"""What the engine is asked to agree on: every node, value, position, combination and readout, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from causalcircuit.query import ALL, FIRST, LAST, Cell, Expr, Position, Site, World, unite
from tests.truth.say import (
    call,
    cell,
    do,
    feed,
    given,
    index,
    lift,
    masked,
    mean,
    minus,
    op,
    patch,
    read,
    row,
    site,
    span,
    together,
    token,
    within,
)

Cases = dict[str, Cell]


@dataclass(frozen=True)
class Ground:
    """What differs between models.

    Attributes:
        readout: an answer's logit.
        other: a world fed by another column; all rows give `last` and `first` a meaning in it.
        nodes: addresses of every kind, in order of computation.
        relay, relay2: sites that nested worlds change, the second before the first.
    """

    readout: Expr
    other: World
    nodes: tuple[str, ...]
    relay: Site
    relay2: Site


def stack(prefix: str, last: int, heads: int, cross: bool = False) -> tuple[str, ...]:
    """Every kind of node of one tower whose last layer is `last`."""
    at = f"{prefix}layer[{last}]"
    crossing = (f"{at}.cross.head[{heads - 1}].out", f"{at}.cross.out") if cross else ()
    return (
        f"{prefix}embed",
        f"{prefix}layer[0].resid_in",
        f"{prefix}layer[0].resid_mid",
        f"{prefix}layer[0].mlp.out",
        f"{prefix}layer[0].resid",
        f"{at}.resid_in",
        f"{at}.attn.in",
        f"{at}.head[0].out",
        f"{at}.head[{heads - 1}].out",
        f"{at}.attn.out",
        f"{at}.resid_mid",
        *crossing,
        f"{at}.mlp.in",
        f"{at}.mlp.neuron[7]",
        f"{at}.mlp.out",
        f"{at}.resid",
        f"{prefix}final_norm",
    )


OTHER = do((feed("input"), row("other")))
OFFICE = do((feed("image"), row("office")))
TINY_GPT2 = Ground(
    read("logit", row("answer")),
    OTHER,
    stack("", 1, 3),
    site("layer[0].head[1].out", LAST),
    site("embed", together(index(2), index(3), index(8))),
)
TINY_CAPTIONER = Ground(
    read("logit", row("answer")),
    OFFICE,
    (*stack("encoder.", 1, 2), "encoder.out", *stack("decoder.", 1, 3, cross=True)),
    site("encoder.layer[0].attn.out", together(FIRST, patch(5))),
    site("encoder.embed", patch(9)),
)


def values(a: Site, ground: Ground) -> dict[str, Expr]:
    """A right side of every kind for `a`, at a position that means one place in every row and world."""
    deep = do((ground.relay, given(ground.relay, ground.other)))
    deeper = do((ground.relay, given(ground.relay, do((ground.relay2, given(ground.relay2, ground.other))))))
    elsewhere = given(a, ground.other)
    return {
        "0": lift(0),
        "number": lift(1.25),
        "natural": a,
        "arithmetic": op(op(a, "*", 0.5), "+", 1),
        "negative": minus(a),
        "quotient": op(a, "/", op(2, "+", op(a, "^", 2))),
        "unit length": op(a, "/", call("norm", a)),
        "projection": op(
            a, "-", op(elsewhere, "*", op(call("dot", a, elsewhere), "/", call("dot", elsewhere, elsewhere)))
        ),
        "mean": mean(a),
        "pooled mean": mean(a, pooled=True),
        "mean elsewhere": mean(elsewhere),
        "centred": op(a, "-", mean(a)),
        "factual": given(a),
        "other world": elsewhere,
        "mixture": op(op(elsewhere, "*", 0.3), "+", op(a, "*", 0.7)),
        "steering": op(a, "+", op(2, "*", op(mean(elsewhere), "-", mean(a)))),
        "two deep": given(a, deep),
        "three deep": given(a, deeper),
        "mean of two deep": mean(given(a, deep)),
    }


def every_value(ground: Ground, nodes: Iterable[str], kinds: Iterable[str] | None = None) -> Cases:
    """Each node at `last`, set to each kind of value."""
    out: Cases = {}
    for address in nodes:
        a = site(address, LAST)
        offered = values(a, ground)
        for kind in kinds or offered:
            out[f"{address} = {kind}"] = cell(ground.readout, do((a, offered[kind])))
    return out


def every_position(ground: Ground, nodes: Iterable[str], places: Mapping[str, Position], same: bool) -> Cases:
    """Each node at each position; `same`: other worlds give it as many places (else only its own are used)."""
    out: Cases = {}
    nudged = replace(ground.relay, position=ALL)
    for address in nodes:
        for name, position in places.items():
            a = site(address, position)
            offered: dict[str, Expr] = {
                "0": lift(0),
                "arithmetic": op(op(a, "*", -0.5), "+", 0.3),
                "pooled mean": mean(a, pooled=True),
                "two deep": given(a, do((nudged, op(nudged, "*", 2)))),
            }
            if same:
                offered["other world"] = given(a, ground.other)
            out |= {f"{address} @ {name} = {k}": cell(ground.readout, do((a, v))) for k, v in offered.items()}
    return out


TEXT_PLACES = {
    "last": LAST,
    "first": FIRST,
    "third": index(2),
    "last but one": index(-2),
    "name": token("name"),
    "after the name": token("name", offset=1),
    "second mention": token("twice", number=2),
    "whole name": span("name"),
    "ends": together(FIRST, LAST),
    "all": ALL,
}
"""Positions that every row of the prompts has in its own prompt."""

SHARED_PLACES = {
    "first": FIRST,
    "last but two": index(-3),
    "ends": together(FIRST, index(3), LAST),
    "name or stranger": token(within("name", "clean"), within("stranger", "other")),
}
"""Positions that the other prompt has too, as many."""

PATCH_PLACES = {
    "class token": FIRST,
    "last": LAST,
    "patch": patch(6),
    "index": index(-4),
    "inside": masked("inside", "mask"),
    "outside": masked("outside", "mask"),
    "some": together(patch(3), patch(9), FIRST),
    "all": ALL,
}
"""Positions of pictures: pictures have one size."""

PREFIX_PLACES = {"start": FIRST, "last": LAST, "name": token("name"), "whole name": span("name"), "all": ALL}
"""Positions of the captioner's prefix."""


def joint_in_text(ground: Ground) -> dict[str, World]:
    """Several assignments at once in the random GPT-2."""
    heads = [site(f"layer[1].head[{j}].out", LAST) for j in range(3)]
    relay, other = ground.relay, ground.other
    frozen = [(h, given(h)) for h in heads]
    swap = do((relay, given(relay, other)), *frozen)
    attn0, attn1 = site("layer[0].attn.out", ALL), site("layer[1].attn.out", ALL)
    mlp0, mlp1 = site("layer[0].mlp.out", ALL), site("layer[1].mlp.out", ALL)
    wide, narrow = site("layer[0].resid", ALL), site("layer[1].resid_in", LAST)
    narrower = site("layer[0].resid", together(FIRST, LAST))
    alias, renamed = site("layer[1].resid_in", ALL), site("layer[0].resid", LAST)
    mid = site("layer[1].resid_mid", ALL)
    final = site("layer[1].resid", LAST)
    return {
        "two heads": do((heads[0], 0), (heads[1], given(heads[1], other))),
        "narrower wins": do((wide, 0.2), (narrow, given(narrow, other))),
        "narrowest wins": do((wide, op(wide, "*", 0.5)), (narrower, 0), (narrow, op(narrow, "*", -2))),
        "narrow natural inside wide": do((wide, op(wide, "*", 0.1)), (narrow, op(narrow, "^", 3))),
        "all but the last": do((wide, op(wide, "*", 0)), (narrow, narrow)),
        "heads that trade values": do((heads[0], heads[1]), (heads[1], heads[0]), (heads[2], minus(heads[0]))),
        "by another name": do((wide, op(alias, "*", 0.5)), (narrow, op(renamed, "*", 3))),
        "head after its attention's input": do((site("layer[1].attn.in", LAST), 0.3), (heads[2], op(heads[2], "*", 2))),
        "head masked by attention": do((heads[0], 0), (site("layer[1].attn.out", LAST), 0.25)),
        "parts of one block": do((attn1, op(attn1, "*", 2)), (mid, op(mid, "-", attn1)), (mlp1, minus(mlp1))),
        "path patching": do((final, given(final, swap))),
        "swap alone": swap,
        "another site": do((attn1, attn0)),
        "another site in this world": do((mlp0, 0), (mlp1, op(attn1, "+", op(mlp0, "*", 0.5)))),
        "another place": do((site("layer[0].resid_mid", LAST), site("embed", FIRST))),
        "a chain of natural values": do((attn0, op(attn0, "*", 2)), (mlp0, op(mlp0, "*", 2)), (attn1, attn1)),
        "other input": other,
        "literal input": do((feed("input"), "Mary met Tom. Tom thanked")),
        "other input, one factual head": unite(other, do((relay, given(relay)))),
        "other input, own place": unite(other, do((wide, op(wide, "^", 2)))),
        "literal input, frozen": do((feed("input"), "Anna and Tom"), *frozen),
        "ablated in the nested world": do((heads[1], given(heads[1], do((mlp0, 0), (relay, mean(relay)))))),
        "nested under other input": do((heads[1], given(heads[1], unite(other, do((relay, given(relay))))))),
        "means of several": do((heads[0], mean(heads[0])), (heads[1], op(mean(heads[1]), "+", mean(heads[0])))),
        "a column of vectors": do((final, op(final, "+", op(row("vector"), "*", row("dose"))))),
        "onto a column of vectors": do((final, op(row("vector"), "*", call("dot", final, row("vector"))))),
        "columns": do((final, op(final, "*", op(row("dose"), "+", 1)))),
    }


def joint_in_captioner(ground: Ground) -> dict[str, World]:
    """Several assignments at once in the random captioner, across its towers."""
    office = ground.other
    cross = [site(f"decoder.layer[1].cross.head[{j}].out", ALL) for j in range(3)]
    out = site("encoder.out", ALL)
    inside, outside = (site("encoder.layer[0].resid", masked(kind, "mask")) for kind in ("inside", "outside"))
    head = site("encoder.layer[1].head[1].out", ALL)
    mid = site("decoder.layer[0].resid_mid", LAST)
    prefix = do((feed("prefix"), row("begin")))
    return {
        "office": office,
        "other prefix": prefix,
        "office and prefix": unite(office, prefix),
        "a cross head as in the office": do((cross[1], given(cross[1], office))),
        "all but one": do((cross[0], given(cross[0], office)), (cross[1], 0), (cross[2], cross[2])),
        "figure from here, background from there": do((outside, given(outside, office))),
        "both, crosswise": do((inside, given(inside, office)), (outside, op(outside, "*", 0.5))),
        "through one encoder head": do((out, given(out, do((head, given(head, office)))))),
        "encoder and decoder": do((head, 0), (mid, op(mid, "+", 0.5))),
        "the encoder's last norm": do((site("encoder.final_norm", ALL), given(out, office))),
        "one row of patches": do((out, op(out, "*", 0.1)), (site("encoder.out", patch(2)), 1)),
        "cross-attention frozen": unite(office, do(*((c, given(c)) for c in cross))),
        "class token of a mean": do((site("encoder.layer[1].resid", FIRST), mean(site("encoder.embed", FIRST)))),
        "mean where pictures align": do((out, mean(given(out, office)))),
        "literal prefix": unite(do((feed("prefix"), "Tom")), do((mid, given(mid)))),
    }


def readouts(answers: Mapping[str, tuple[str, ...]]) -> dict[str, Expr]:
    """Readouts of every kind.

    Args:
        answers: `single`: strings of one token each. `long`: strings of more. `column`: a column of one-token answers.
    """
    single, long = answers["single"], answers["long"]
    out: dict[str, Expr] = {}
    for kind in ("logit", "logprob", "prob"):
        out[f"{kind} of a column"] = read(kind, row(answers["column"][0]))
        out[f"{kind} of a string"] = read(kind, single[0])
    for kind in ("logprob", "prob"):
        out[f"{kind} of several tokens"] = read(kind, long[0])
        out[f"{kind} of a set"] = read(kind, *single)
        out[f"{kind} of a set of one and several tokens"] = read(kind, single[0], *long)
    return out


def crossed(readings: Mapping[str, Expr], worlds: Mapping[str, World]) -> Cases:
    """Each readout in each world."""
    return {f"{r} | {w}": cell(readings[r], worlds[w]) for r in readings for w in worlds}
