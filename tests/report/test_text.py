"""What must hold of the text of every result, whatever it says."""

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import causalcircuit.query as q
from causalcircuit.query import Estimate, Interval, Result
from causalcircuit.report import to_json, to_text
from tests.report.samples import CLAIMS, FAMILY, GROUPS, HOSTILE, MEDIATION, RESULTS, SWEEP, claim, scenes

ANSI = re.compile(r"\x1b\[[0-9;]*m")

numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=30)
pairs = st.lists(st.tuples(texts, texts), max_size=2, unique_by=lambda p: p[0]).map(tuple)


@st.composite
def intervals(draw: st.DrawFn) -> Interval | None:
    low, high = sorted((draw(st.floats(allow_nan=False)), draw(st.floats(allow_nan=False))))
    return draw(st.sampled_from([None, Interval(low, high)]))


estimates = st.builds(
    Estimate,
    name=texts,
    value=st.none() | numbers,
    interval=intervals(),
    level=st.floats(0.5, 0.999),
    unit=st.sampled_from(["logit", "probability", "ratio", "", "1/logit"]),
    n=st.integers(0, 10**7),
    clusters=st.none() | st.integers(0, 10**6),
    regime=st.just("intervention"),
    estimand=texts,
    symbols=texts,
    reason=texts,
    where=pairs,
    at=pairs,
    assumptions=st.lists(texts, max_size=2).map(tuple),
    comments=st.lists(texts, max_size=3).map(tuple),
    data=texts,
)
tested = st.builds(
    q.Tested,
    name=texts,
    verdict=st.sampled_from(["supported", "refuted", "inconclusive"]),
    value=st.none() | numbers,
    interval=intervals(),
    p=st.none() | st.floats(0, 1),
    p_adjusted=st.none() | st.floats(0, 1),
    region=texts,
    unit=st.sampled_from(["logit", ""]),
    n=st.integers(0, 1000),
    clusters=st.none() | st.integers(0, 100),
    level=st.floats(0.5, 0.999),
    at=pairs,
    family=st.sampled_from(["", "heads"]),
    correction=st.sampled_from(["none", "holm"]),
)
results = st.builds(
    Result,
    estimates=st.lists(estimates, max_size=4).map(tuple),
    hypotheses=st.lists(tested, max_size=4).map(tuple),
    comments=st.lists(texts, max_size=2).map(tuple),
    interrupted=st.booleans(),
)


@settings(max_examples=40)
@given(results, st.integers(80, 120), st.booleans())
def test_any_result_prints_within_the_width_and_without_control_characters(
    result: Result, width: int, brief: bool
) -> None:
    text = to_text(result, width=width, brief=brief)
    for line in text.split("\n"):
        assert cell_len(line) <= width
        assert line == line.rstrip()
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)


@settings(max_examples=40)
@given(results)
def test_any_result_is_valid_json(result: Result) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = to_json(result)
    assert text.isascii()
    back = json.loads(text, parse_constant=refuse)
    assert len(back["estimates"]) == len(result.estimates)
    assert [h["verdict"] for h in back["hypotheses"]] == [h.verdict for h in result.hypotheses]


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("width", [10, 40, 60, 80, 100, 200])
def test_samples_keep_to_the_width(name: str, width: int) -> None:
    text = to_text(RESULTS[name], width=width)
    assert max(map(cell_len, text.splitlines())) <= max(40, min(width, 120))


@pytest.mark.parametrize("name", RESULTS)
def test_colours_change_no_word(name: str) -> None:
    plain, coloured = to_text(RESULTS[name]), to_text(RESULTS[name], colour=True)
    assert "\x1b" not in plain
    bare = "".join(line.rstrip() + "\n" for line in ANSI.sub("", coloured).splitlines())
    assert bare == plain
    assert coloured != plain


def test_verdicts_have_their_colours() -> None:
    text = to_text(FAMILY, colour=True)
    for verdict, code in (("supported", "32"), ("refuted", "31"), ("inconclusive", "33")):
        assert re.search(rf"\x1b\[1;{code}m{verdict}", text)


@pytest.mark.parametrize("name", RESULTS)
def test_an_ascii_terminal_gets_ascii(name: str) -> None:
    assert to_text(RESULTS[name], ascii_only=True).isascii()


def test_a_column_of_the_data_cannot_steer_the_terminal() -> None:
    for colour in (False, True):
        text = to_text(HOSTILE, colour=colour)
        assert "\x1b[31mred" not in text
        assert "\x07" not in text
    assert r"\x1b[31mred[/bold]\x07 :smile:" in to_text(HOSTILE)


def test_everything_a_reader_must_know_is_there() -> None:
    text = " ".join(to_text(MEDIATION).split())
    for said in (
        "3.71 logit [3.52, 3.90]",
        "95% interval",
        "300 rows in 100 clusters",
        "regime intervention",
        "total = E[W | kitchen] - E[W | office]",
        "A = cap.decoder.layer[1].cross.head[3].out @ all",
        "the process that scenes samples, sampling unit row.figure",
        "nie / total: cluster-robust Fieller set",
        "clusters (row.figure) are independent draws",
        "900 passes (rows × worlds) for all questions on scenes, 1.2 s",
    ):
        assert said in text


def test_a_warning_names_its_code_and_whom_it_concerns() -> None:
    text = " ".join(to_text(GROUPS).split())
    assert "unknown, woman: only 22 clusters: intervals are rough under 30 [CQ609]" in text


def test_the_members_of_a_sweep_share_one_formula() -> None:
    text = to_text(SWEEP)
    assert "E[LD | do(H = 0)] - E[LD]" in text
    assert "and so on" not in text
    assert text.index("layer[0].head[1]") < text.index("layer[10].head[0]")


def test_a_declared_name_of_a_member_is_no_exception_to_the_formula() -> None:
    heads = ["m.layer[0].head[0].out @ last", "m.layer[0].head[1].out @ last"]
    members = tuple(
        scenes(
            "effect(H)",
            1.0,
            (0.0, 2.0),
            at=(("H", head),),
            symbols=f"E[NMX | do({shown} = mean({shown}))]",
            where=(("NMX", "m.logit[row.io] @ last"), *([("NM", head)] if shown == "NM" else [])),
        )
        for head, shown in zip(heads, [heads[0], "NM"], strict=True)
    )
    text = to_text(Result(members))
    assert "E[NMX | do(H = mean(H))]\n" in text
    assert "NM =" not in text


def test_claims_of_a_sweep_are_sorted_by_verdict_then_p() -> None:
    order = re.findall(r"(?m)^  layer\S+ +(\w+) +(\S+)", to_text(FAMILY))
    verdicts = ["supported"] * 2 + ["refuted"] * 2 + ["inconclusive"] * 3
    assert [v for v, _ in order] == verdicts
    assert [x for _, x in order][:2] == ["-1.90", "-0.90"]


def test_refuted_claims_say_by_which_p() -> None:
    assert "refuted     largest adjusted p of the opposite: 0.0028\n" in to_text(FAMILY)
    assert "opposite" not in to_text(CLAIMS)


def test_named_claims_keep_the_order_of_their_family() -> None:
    lines = to_text(CLAIMS).splitlines()
    assert [line.split()[:2] for line in lines if " supported " in line] == [
        ["name_mover", "supported"],
        ["idle", "supported"],
    ]


def test_a_disagreement_of_verdict_and_interval_is_printed_even_when_brief() -> None:
    for brief in (False, True):
        text = " ".join(to_text(CLAIMS, brief=brief).split())
        assert "note idle: by the adjusted p: supported; the simultaneous interval shown, wider, alone" in text


def test_a_second_block_says_only_what_is_new() -> None:
    text = to_text(Result((*MEDIATION.estimates[:1], *GROUPS.estimates)))
    first, second = text.split("\ntotal on scenes")
    assert "as above" not in first
    assert "target" in first
    assert re.search(r"as above +estimand, where, regime, target, method, assuming, cost|as above +where", second)
    assert "sampling unit" not in second


def test_a_block_on_other_data_says_everything_again() -> None:
    other = scenes("total", 1.0, (0.5, 1.5), data="fresh", target="the process that fresh samples")
    text = to_text(Result((*MEDIATION.estimates[:1], other)))
    assert "the process that fresh samples" in text
    assert text.count("on fresh") == 2


def test_comments_stand_above_what_they_speak_of() -> None:
    text = to_text(SWEEP)
    assert text.startswith("Which heads matter?\n\nOne after another, all positions but the last left alone.\n\n")


def test_a_single_claim_without_family_needs_no_adjusted_column() -> None:
    text = to_text(Result(hypotheses=(claim("idle", "refuted", 0.5, (0.4, 0.6), 0.9, family="", correction="none"),)))
    assert "adjusted" not in text
    assert "claimed: < -0.5 logit" in text
    assert "refuted" in text


def test_infinite_ends_are_open() -> None:
    text = to_text(Result((scenes("half", -1.5, (-math.inf, -1.23456)),)))
    assert "(-inf, -1.23]" in text
    assert "◂" in text
