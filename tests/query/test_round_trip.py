"""What canonical text says is what the language reads: text to noun and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.check import Checker
from causalcircuit.diagnostics import Source
from causalcircuit.query import (
    Assignment,
    Binary,
    Chat,
    ClassScore,
    Column,
    Compare,
    Expect,
    Expr,
    Items,
    Logic,
    Number,
    OwnRow,
    Picture,
    Probability,
    Similarity,
    Term,
    Text,
    Truth,
    Vector,
    Wire,
    Wires,
    World,
    render,
    world_of,
)
from causalcircuit.query.functions import register
from causalcircuit.query.identification import AnyValue, Identified, Variable
from tests.query.samples import EXAMPLES, HEAD, LOGIT, POSITIONS, arithmetic, site, worlds

GPT2 = {"model_type": "gpt2", "n_layer": 3, "n_head": 4, "n_embd": 8, "architectures": ["GPT2LMHeadModel"]}
JUDGE = {**GPT2, "architectures": ["GPT2ForSequenceClassification"], "id2label": {"0": "toxic"}}
SIZES = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 6, "intermediate_size": 8}
PICTURE = {**SIZES, "model_type": "vit", "image_size": 32, "patch_size": 8}
CLIP = {
    "model_type": "clip",
    "architectures": ["CLIPModel"],
    "text_config": {**SIZES, "model_type": "clip_text_model"},
    "vision_config": {**SIZES, "model_type": "clip_vision_model", "image_size": 32, "patch_size": 8},
}
DIMENSIONLESS = Binary("/", LOGIT, LOGIT)
ONLY_OF_PICTURES = {"image[7]", "inside(row.mask)", "outside(row.mask)"}


OF = {ClassScore: "judge", Similarity: "clip"}
"""The models of expressions that a language model has not."""

NEVER_ALONE = (Text, Items, Truth, Logic, Term, Chat, Picture, OwnRow, Vector, Wire, Wires, Variable, AnyValue)
"""A text or a list is no quantity; an `or` stands in a condition; a term is of a compiled estimand; a chat of data;
a wire is assigned; a name of a diagram and its `*` stand in `identify` (test_identifications_are_read_back)."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("configs")
    (root / "gpt2").mkdir()
    (root / "gpt2" / "config.json").write_text(json.dumps(GPT2))
    for name, config in (("judge", JUDGE), ("clip", CLIP)):
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps(config))
    register("toxicity", lambda value, scale: 0.0)
    (root / "cap").mkdir()
    both = {"model_type": "vision-encoder-decoder", "encoder": PICTURE, "decoder": GPT2}
    (root / "cap" / "config.json").write_text(json.dumps(both))
    return root


def meaning(text: str, folder: Path, model: str = "gpt2") -> object:
    """What `let e = TEXT` declares."""
    checker = Checker(folder)
    checker.read(Source("t.cq", f'model m = hf("./{model}")\nlet e = {text}\n'))
    return checker.scope.names["e"][0]


@pytest.mark.parametrize("kind", [k for k in EXAMPLES if k not in NEVER_ALONE])
def test_every_expression_is_read_back(folder: Path, kind: type[Expr]) -> None:
    example, text = EXAMPLES[kind]
    model = OF.get(kind, "cap" if "image" in text else "gpt2")
    assert meaning(text, folder, model) == example


def test_a_wire_is_read_back_where_it_is_assigned(folder: Path) -> None:
    wire, _ = EXAMPLES[Wire]
    cut = Expect(LOGIT, world_of([Assignment(wire, Number(0.0))]))
    assert meaning(render(cut), folder) == cut


@pytest.mark.parametrize("text", POSITIONS)
def test_every_position_is_read_back(folder: Path, text: str) -> None:
    if text in ONLY_OF_PICTURES:
        node = site("encoder", "out", position=POSITIONS[text])
        assert meaning(render(node), folder, "cap") == node
    else:
        node = site("embed", position=POSITIONS[text])
        assert meaning(render(node), folder) == node


EVENTS = [Compare("<", LOGIT, Number(0)), Logic("not", (Compare("=", Column("g"), Text("x")),)), EXAMPLES[Logic][0]]


@pytest.mark.parametrize("event", [*EVENTS, Logic("and", tuple(EVENTS)), Logic("or", tuple(EVENTS))])
def test_events_are_read_back_inside_probabilities(folder: Path, event: Expr) -> None:
    asked = Probability(event, condition=Compare("!=", Column("g"), Text("y")))
    assert meaning(render(asked), folder) == asked


def test_a_number_beside_a_position_is_no_offset(folder: Path) -> None:
    for value in (Binary("-", HEAD, Number(2.0)), Binary("+", LOGIT, Number(-1.0))):
        assert meaning(render(value), folder) == value
    assert render(Binary("-", LOGIT, Number(2.0)), {LOGIT: "LD"}) == "LD - 2"


def test_a_zero_has_no_sign() -> None:
    assert render(Number(-0.0)) == render(Number(0.0)) == "0"


in_text = worlds.filter(lambda w: not any(p in render(w) for p in ONLY_OF_PICTURES))


@given(in_text)
@settings(max_examples=60)
def test_worlds_are_read_back(folder: Path, world: World) -> None:
    assert meaning(render(world), folder) == world


@given(in_text, in_text, arithmetic(st.just(DIMENSIONLESS)))
@settings(max_examples=40)
def test_estimands_are_read_back(folder: Path, one: World, other: World, value: Expr) -> None:
    estimand = Binary("-", Expect(value, one), Expect(DIMENSIONLESS, other))
    assert meaning(render(estimand), folder) == estimand


@pytest.mark.parametrize(
    "asked",
    [
        "P(says | do(season = 1)) - P(says | do(season = 0))",
        "P(says | do(season = *))",
        "E[kitchen | do(season = 2)] / E[kitchen | do(season = 1)]",
    ],
)
def test_identifications_are_read_back(tmp_path: Path, asked: str) -> None:
    def question(text: str) -> Identified:
        checker = Checker(tmp_path)
        checker.read(Source("t.cq", f"graph G {{ season -> kitchen, kitchen -> says }}\nidentify {text} in G\n"))
        return checker.identifications[0]

    first = question(asked)
    second = question(first.query)
    assert second.query == first.query == asked
    assert [e.effect for e in second.effects] == [e.effect for e in first.effects]
