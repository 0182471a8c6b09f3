"""Meaning 1: assignments are simultaneous; doubled, overlapping, masked, cyclic and self-referring ones."""

from __future__ import annotations

import pytest

from tests.check import objects as o
from tests.check.programs import IOI, SCENES, errors, query, said, warnings

R0, R1IN = "gpt2.layer[0].resid", "gpt2.layer[1].resid_in"


def world(text: str) -> list[str]:
    return errors(f"{IOI}estimate E[LD | {text}] on ioi\n")


@pytest.mark.parametrize(
    "text",
    [
        "do(NM = 0, NM = 1)",
        "do(NM = 0), do(NM = 1)",
        "do(gpt2.input = row.corrupt, gpt2.input = row.clean)",
        f"do({R0} @ last = 0, {R1IN} @ last = 1)",  # one tensor
        f"do({R0} @ first = 0, {R0} @ 0 = 1)",  # one position
        f"do({R0} @ (last - 1) = 0, {R0} @ -2 = 1)",
        f"do({R0} @ [0, 1] = 0, {R0} @ [1, 0] = 1)",
    ],
)
def test_the_same_target_twice_is_an_error_in_a_union_too(text: str) -> None:
    assert world(text) == ["CQ301"]


def test_worlds_unite_in_any_order() -> None:
    a = "let off = do(NM = 0)\nlet corrupt = do(gpt2.input = row.corrupt)\n"
    one = query("E[LD | off, corrupt]", IOI + a)
    other = query("E[LD | corrupt, off]", IOI + a)
    assert one.expr == other.expr == query("E[LD | do(gpt2.input = row.corrupt, NM = 0)]").expr


@pytest.mark.parametrize(
    "text",
    [
        f"do({R0} @ all = 0, {R0} @ last = 1)",  # the narrower position
        f"do({R0} @ [0, 1, 2] = 0, {R0} @ 1 = 1)",
        f"do({R0} @ [0, 1, 2] = 0, {R0} @ [1, 2] = 1)",
        f"do({R0} @ 0 = 0, {R0} @ 1 = 1)",  # apart
        f"do({R0} @ [0, 1] = 0, {R0} @ [2, 3] = 1)",
        "do(gpt2.layer[1].head[2].out @ last = 0, NM = 1)",  # other components
        f"do({R0} @ last = 0, gpt2.layer[1].resid @ last = (gpt2.layer[1].resid @ last | do()))",
    ],
)
def test_nested_and_separate_sites_are_fine(text: str) -> None:
    assert world(text) == []


@pytest.mark.parametrize("other", [R0, R1IN])
def test_a_partial_overlap_is_an_error(other: str) -> None:
    assert world(f"do({R0} @ [0, 1] = 0, {other} @ [1, 2] = 0)") == ["CQ302"]


def test_a_set_of_nodes_is_assigned_member_by_member() -> None:
    heads = "let Heads = gpt2.layer[*].head[*].out @ all\n"
    worlds = query("E[LD | do(Heads = (Heads | do()), NM = 0)]", IOI + heads).expr
    assert len(worlds.world.assignments) == 9  # type: ignore[attr-defined]
    # A mistake in a set is one mistake, not one for each member.
    assert errors(f"{IOI}{heads}estimate E[LD | do(Heads = 0), do(Heads = 1)] on ioi\n") == ["CQ301"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("do(NM = 0, gpt2.layer[1].resid @ all = 0)", True),
        ("do(NM = 0, gpt2.layer[1].attn.out @ last = 0)", True),
        ("do(NM = 0, gpt2.layer[1].mlp.out @ last = 0)", False),
        ("do(NM = 0, gpt2.layer[0].resid @ all = 0)", False),  # upstream
        ("do(gpt2.layer[0].resid @ all = 0, gpt2.layer[1].resid @ last = 0)", False),  # other positions remain
        ("do(NM = 0, gpt2.layer[1].resid @ all = gpt2.layer[1].resid @ all * 2)", False),  # its natural value is used
    ],
)
def test_an_assignment_wholly_masked_by_one_downstream_warns(text: str, masked: bool) -> None:
    assert warnings(f"{IOI}estimate E[LD | {text}] on ioi\n") == ["CQ306"] * masked


def test_a_set_wholly_masked_warns_once() -> None:
    heads = "let Heads = gpt2.layer[*].head[*].out @ all\n"
    text = "estimate E[LD | do(Heads = 0, gpt2.final_norm @ all = 0)] on ioi\n"
    assert warnings(IOI + heads + text) == ["CQ306"]


@pytest.mark.parametrize(
    ("text", "cyclic"),
    [
        ("do(NM = NM * 2)", False),  # the natural value in this world
        ("do(NM = (NM | do()))", False),
        ("do(NM = LD)", True),
        ("do(NM = (LD | do()))", False),
        (f"do({R0} @ last = gpt2.layer[1].resid @ last)", True),
        (f"do({R0} @ last = 2 * gpt2.layer[1].resid @ last + 1)", True),
        (f"do(gpt2.layer[1].resid @ last = {R0} @ last)", False),
        (f"do({R0} @ last = mean(gpt2.layer[1].resid @ last))", False),  # a reference is computed beforehand
    ],
)
def test_a_right_side_downstream_of_its_target_is_cyclic(text: str, cyclic: bool) -> None:
    assert world(text) == ["CQ303"] * cyclic


def test_the_encoder_comes_before_the_decoder() -> None:
    into = "let E0 = cap.encoder.layer[0].resid @ all\n"
    assert errors(SCENES + into + "estimate E[W | kitchen, do(E0 = A)] on scenes\n") == ["CQ303"]
    assert errors(SCENES + into + "estimate E[W | kitchen, do(A = E0)] on scenes\n") == []


def test_a_world_does_not_refer_to_itself() -> None:
    (found,) = said(IOI + "let w = do(NM = (NM | w))\n")
    assert found.code == "CQ304"
    assert found.span is not None
    assert found.span.text == "w"


def test_a_nested_world_inherits_nothing() -> None:
    assert query("E[LD | do(gpt2.input = row.corrupt), do(NM = (NM | do()))]").expr == o.Expect(
        o.LD, o.do((o.Input("gpt2", "input"), o.Column("corrupt")), (o.HEAD, o.Counterfactual(o.HEAD, o.FACTUAL)))
    )


def test_objects_are_held_to_the_same() -> None:
    in_ = o.site(("layer", 1), "resid_in")
    assert o.codes(o.Expect(o.LD, o.do((o.HEAD, 0), (o.HEAD, 1)))) == ["CQ301"]
    assert o.codes(o.Expect(o.LD, o.do((o.EARLY, 0), (in_, 1)))) == ["CQ301"]
    lists = (o.Position("list", parts=tuple(o.Position("index", index=i) for i in (k, k + 1))) for k in (0, 1))
    a, b = (o.site(("layer", 0), "resid", at=p) for p in lists)
    assert o.codes(o.Expect(o.LD, o.do((a, 0), (b, 0)))) == ["CQ302"]
    assert o.codes(o.Expect(o.LD, o.do((o.EARLY, o.LATE)))) == ["CQ303"]
    assert o.codes(o.Expect(o.LD, o.do((o.LATE, o.EARLY)))) == []
    whole = o.site(("layer", 1), "resid", at=o.ALL)
    assert o.codes(o.Expect(o.LD, o.do((o.HEAD, 0), (whole, 0)))) == ["CQ306"]
    # Also inside a nested world, which nobody asks for by itself.
    nested = o.Counterfactual(o.LATE, o.do((o.HEAD, 0), (o.HEAD, 1)))
    assert o.codes(o.Expect(o.LD, o.do((o.LATE, nested)))) == ["CQ301"]
