"""The engine against the brute force on small random models: every node, value, position, combination and readout.

All cases of a model are one plan and its rows one batch, so that hundreds of worlds and prompts of different length
share passes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from causalcircuit.query import ALL, FIRST, LAST, Cell, DataRef, Mean
from tests.truth import tiny
from tests.truth.ask import Attention, DType, Engine, disagreement, engine
from tests.truth.brute import Brute
from tests.truth.cases import (
    OFFICE,
    OTHER,
    PATCH_PLACES,
    PREFIX_PLACES,
    SHARED_PLACES,
    TEXT_PLACES,
    TINY_CAPTIONER,
    TINY_GPT2,
    Cases,
    crossed,
    every_position,
    every_value,
    joint_in_captioner,
    joint_in_text,
    readouts,
)
from tests.truth.say import call, cell, do, given, index, masked, mean, op, read, row, site, token

MEANS = [(False, LAST), (True, ALL)]
FLOAT64, EAGER, FLOAT32 = 1e-9, 1e-6, 1e-4

HEAD, STREAM = site("layer[1].head[2].out", LAST), site("layer[0].resid", ALL)
ANSWERS = {"single": (" Mary", " John", "Tom"), "long": (" gave a", " Tom gave"), "column": ("answer",)}
SOME_WORLDS = {
    "factual": do(),
    "other": OTHER,
    "patched": do((HEAD, given(HEAD, OTHER))),
    "ablated": do((STREAM, op(STREAM, "*", 0.7)), (HEAD, mean(HEAD))),
}
SCALARS = {
    "norm": call("norm", HEAD),
    "norm of a difference": call("norm", op(HEAD, "-", given(HEAD, OTHER))),
    "dot": call("dot", STREAM, site("layer[1].attn.out", ALL)),
    "average of a neuron": call("avg", site("layer[1].mlp.neuron[3]", ALL)),
    "largest of a neuron": call("max", site("layer[0].mlp.neuron[3]", ALL)),
    "distance from the mean": call("norm", op(HEAD, "-", mean(HEAD))),
}


def gpt2_readouts() -> Cases:
    out = crossed(readouts(ANSWERS), SOME_WORLDS) | crossed(SCALARS, SOME_WORLDS)
    places = {"first": FIRST, "third": index(2), "name": token("name"), "last but one": index(-2)}
    for name, position in places.items():
        out[f"logit @ {name}"] = cell(read("logit", row("answer"), position=position), do((STREAM, op(STREAM, "^", 2))))
        out[f"logprob @ {name}"] = cell(read("logprob", " John", position=position), do((site("embed", FIRST), 0)))
    return out


def gpt2_cases() -> Cases:
    """The fast grid of the random GPT-2."""
    place_nodes = ["embed", "layer[0].resid_mid", "layer[0].mlp.neuron[7]", "layer[1].attn.in"]
    return (
        every_value(TINY_GPT2, ["layer[1].head[2].out", "layer[0].resid_mid", "layer[0].mlp.neuron[7]"])
        | every_value(TINY_GPT2, TINY_GPT2.nodes, ["0", "arithmetic", "mean", "other world", "two deep"])
        | every_position(TINY_GPT2, place_nodes, TEXT_PLACES, same=False)
        | every_position(TINY_GPT2, place_nodes, SHARED_PLACES, same=True)
        | crossed({"logit": TINY_GPT2.readout}, joint_in_text(TINY_GPT2))
        | gpt2_readouts()
    )


CAPTION_WORLDS = {
    "factual": do(),
    "office": OFFICE,
    "figure": do((site("encoder.out", ALL), op(site("encoder.out", ALL), "*", 0.5))),
}


def captioner_cases() -> Cases:
    """The fast grid of the random captioner."""
    ground = TINY_CAPTIONER
    main = ["encoder.layer[1].head[1].out", "decoder.layer[1].cross.head[2].out", "decoder.layer[1].resid_mid"]
    return (
        every_value(ground, main)
        | every_value(ground, ground.nodes, ["0", "other world"])
        | every_position(ground, ["encoder.layer[0].mlp.out", "encoder.out"], PATCH_PLACES, same=True)
        | every_position(ground, ["decoder.layer[0].cross.out"], PREFIX_PLACES, same=True)
        | crossed({"logit": ground.readout}, joint_in_captioner(ground))
        | crossed(readouts(ANSWERS), CAPTION_WORLDS)
    )


GPT2_CASES, CAPTIONER_CASES = gpt2_cases(), captioner_cases()


def ask_all(made: Engine, cases: Cases) -> dict[str, object]:
    cells = made.ask(cases.values(), max_tokens=1_000_000)
    return {name: cells[c] for name, c in cases.items()}


# ---------------------------------------------------------------------- float64


@pytest.fixture(scope="module")
def gpt2_answers(folder: Path, gpt2: Brute) -> dict[str, object]:
    return ask_all(engine(folder / "gpt2", folder / "prompts.jsonl", gpt2.feeds), GPT2_CASES)


@pytest.fixture(scope="module")
def captioner_answers(folder: Path, captioner: Brute) -> dict[str, object]:
    return ask_all(engine(folder / "captioner", folder / "scenes.jsonl", captioner.feeds), CAPTIONER_CASES)


@pytest.mark.parametrize("case", GPT2_CASES)
def test_gpt2(gpt2_answers: dict, gpt2: Brute, case: str) -> None:
    assert disagreement(gpt2_answers[case], gpt2, GPT2_CASES[case]) < FLOAT64


@pytest.mark.parametrize("case", CAPTIONER_CASES)
def test_captioner(captioner_answers: dict, captioner: Brute, case: str) -> None:
    assert disagreement(captioner_answers[case], captioner, CAPTIONER_CASES[case]) < FLOAT64


# ---------------------------------------------------------------------- other ways to run the same

SAMPLE = 11  # every 11th case: some of each kind


def sampled(cases: Cases) -> dict[str, Cell]:
    return dict(list(cases.items())[::SAMPLE])


@pytest.mark.parametrize(
    ("dtype", "attention", "bar"),
    [("float64", "eager", EAGER), ("float32", "sdpa", FLOAT32), ("float32", "eager", FLOAT32)],
)
@pytest.mark.parametrize("kind", ["gpt2", "captioner"])
def test_other_precisions(
    folder: Path, request: pytest.FixtureRequest, kind: str, dtype: DType, attention: Attention, bar: float
) -> None:
    brute = request.getfixturevalue(kind)
    cases = sampled(GPT2_CASES if kind == "gpt2" else CAPTIONER_CASES)
    data = folder / ("prompts.jsonl" if kind == "gpt2" else "scenes.jsonl")
    answers = ask_all(engine(folder / kind, data, brute.feeds, dtype, attention), cases)
    worst = {name: disagreement(answers[name], brute, c) for name, c in cases.items()}
    assert {name: x for name, x in worst.items() if not x < bar} == {}


@pytest.mark.parametrize("write", [tiny.write_gpt2, tiny.write_captioner])
def test_padding_on_the_left(tmp_path: Path, folder: Path, request: pytest.FixtureRequest, write) -> None:
    kind = "gpt2" if write is tiny.write_gpt2 else "captioner"
    brute = request.getfixturevalue(kind)
    cases = sampled(GPT2_CASES if kind == "gpt2" else CAPTIONER_CASES)
    data = folder / ("prompts.jsonl" if kind == "gpt2" else "scenes.jsonl")
    made = engine(write(tmp_path / kind, "left"), data, brute.feeds)
    assert made.model.tokenizer.padding_side == "left"
    answers = ask_all(made, cases)
    worst = {name: disagreement(answers[name], brute, c) for name, c in cases.items()}
    assert {name: x for name, x in worst.items() if not x < FLOAT64} == {}


# ---------------------------------------------------------------------- batches


@pytest.mark.parametrize("kind", ["gpt2", "captioner"])
def test_batches_of_any_size_give_the_same(folder: Path, request: pytest.FixtureRequest, kind: str) -> None:
    """Row by row, a few rows, all at once: equal to rounding; the same batches again: equal to the bit."""
    brute = request.getfixturevalue(kind)
    cases = sampled(GPT2_CASES if kind == "gpt2" else CAPTIONER_CASES)
    made = engine(folder / kind, folder / ("prompts.jsonl" if kind == "gpt2" else "scenes.jsonl"), brute.feeds)
    whole, again, small, single = (
        np.stack(list(made.ask(cases.values(), **how).values()))
        for how in ({}, {}, {"max_tokens": 100}, {"max_tokens": 1})
    )
    assert (whole == again).all()
    assert np.abs(whole - small).max() < 1e-11
    assert np.abs(whole - single).max() < 1e-11


def test_pictures_and_masks_of_another_size(tmp_path: Path, folder: Path, captioner: Brute) -> None:
    """The processor makes 16 by 16 of what is 48 high and 32 wide; the mask goes the same way."""
    rng = np.random.default_rng(1)
    for name in ("kitchen", "office"):
        Image.fromarray(rng.integers(0, 256, (48, 32, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    mask = np.zeros((48, 32), np.uint8)
    mask[12:36, 8:16] = 255  # two patches down, one across
    Image.fromarray(mask).save(tmp_path / "mask.png")
    line = {"kitchen": "kitchen.png", "office": "office.png", "mask": "mask.png", "start": "a", "answer": " John"}
    data = tiny.write_lines(tmp_path / "scenes.jsonl", [line])
    made = engine(folder / "captioner", data, captioner.feeds)
    brute = Brute(captioner.model, captioner.tokenizer, captioner.processor, [line], captioner.feeds, tmp_path)
    assert brute.positions(0, masked("inside", "mask"), "encoder", do()) == [6, 10]
    cases = every_position(TINY_CAPTIONER, ["encoder.layer[0].resid"], PATCH_PLACES, same=True)
    got = made.ask(cases.values())
    assert {name: x for name, c in cases.items() if not (x := disagreement(got[c], brute, c)) < FLOAT64} == {}


def test_rows_weigh_in_means_as_the_data_says(folder: Path, gpt2: Brute) -> None:
    weighted = Brute(gpt2.model, gpt2.tokenizer, None, gpt2.rows, gpt2.feeds, weight="share")
    cases = {f"{pooled} {place}": mean(site("layer[0].resid_mid", place), pooled) for pooled, place in MEANS}
    cells = {name: cell(TINY_GPT2.readout, do((value.of, value))) for name, value in cases.items()}
    got = engine(folder / "gpt2", folder / "prompts.jsonl", gpt2.feeds, weight="share").ask(cells.values())
    for c in cells.values():
        assert disagreement(got[c], weighted, c) < FLOAT64
        assert disagreement(got[c], gpt2, c) > 1e-3


def test_references_over_other_data(tmp_path: Path, folder: Path, gpt2: Brute) -> None:
    """Three rows of the other prompts: also where the reference's own world holds a reference."""
    path = tiny.write_lines(tmp_path / "more.jsonl", tiny.PROMPTS[1:])
    more = DataRef("more", "jsonl", path, (("prompt", row("other")),))
    there = Brute(gpt2.model, gpt2.tokenizer, None, tiny.PROMPTS[1:], {"input": row("other")})
    brute = replace(gpt2, elsewhere={more: there}, means={}, known={})
    pooled = Mean(STREAM, pooled=True, on=more)
    nested = Mean(given(HEAD, do((STREAM, mean(STREAM, pooled=True)))), on=more)
    for world in (do((HEAD, Mean(HEAD, on=more))), do((STREAM, pooled)), do((HEAD, nested), (STREAM, pooled))):
        asked = cell(TINY_GPT2.readout, world)
        got = engine(folder / "gpt2", folder / "prompts.jsonl", gpt2.feeds).ask([asked])
        assert disagreement(got[asked], brute, asked) < FLOAT64


# ---------------------------------------------------------------------- the full grids

ENCODER = [n for n in TINY_CAPTIONER.nodes if n.startswith("encoder")]
DECODER = [n for n in TINY_CAPTIONER.nodes if n.startswith("decoder")]


def full_gpt2(node: str) -> Cases:
    places = every_position(TINY_GPT2, [node], TEXT_PLACES, same=False)
    return every_value(TINY_GPT2, [node]) | places | every_position(TINY_GPT2, [node], SHARED_PLACES, same=True)


def full_captioner(node: str) -> Cases:
    places = PATCH_PLACES if node in ENCODER else PREFIX_PLACES
    return every_value(TINY_CAPTIONER, [node]) | every_position(TINY_CAPTIONER, [node], places, same=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "attention", "bar"),
    [("float64", "sdpa", FLOAT64), ("float64", "eager", EAGER), ("float32", "sdpa", FLOAT32)],
)
@pytest.mark.parametrize("node", [*TINY_GPT2.nodes, *ENCODER, *DECODER])
def test_full_grid(
    folder: Path, gpt2: Brute, captioner: Brute, node: str, dtype: DType, attention: Attention, bar: float
) -> None:
    text = node in TINY_GPT2.nodes
    brute, cases = (gpt2, full_gpt2(node)) if text else (captioner, full_captioner(node))
    kind, data = ("gpt2", "prompts.jsonl") if text else ("captioner", "scenes.jsonl")
    answers = ask_all(engine(folder / kind, folder / data, brute.feeds, dtype, attention), cases)
    assert {name: x for name, c in cases.items() if not (x := disagreement(answers[name], brute, c)) < bar} == {}
