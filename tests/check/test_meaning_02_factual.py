"""Meaning 2: the factual world exists only where the data feed every input."""

from __future__ import annotations

import pytest

from tests.check import objects as o
from tests.check.programs import DATA, IOI, MODEL, NODES, SCENES, errors, said

FED = SCENES.replace('with prefix = "a"', 'with image = row.kitchen, prefix = "a"')


@pytest.mark.parametrize(
    "estimand",
    [
        "E[W]",
        "E[W | do(A = 0)]",
        "E[W | office] - E[W]",
        "E[(W | do()) | row.outdoors]",
        "E[W | office, do(A = (A | do()))]",
        "E[W | office, do(A = mean(A))]",
        "P(W > 0)",
        "E[norm(cap.encoder.out @ all)]",
        'E[W | office, do(A = (A | do(cap.prefix = "b")))]',
    ],
)
def test_a_world_without_an_image_does_not_exist(estimand: str) -> None:
    assert errors(f"{SCENES}estimate {estimand} on scenes\n") == ["CQ305"]
    assert errors(f"{FED}estimate {estimand} on scenes\n") == []


@pytest.mark.parametrize(
    "estimand",
    [
        "E[W | office]",
        "E[(W | office)]",
        "E[W | office, do(A = (A | kitchen))]",
        "E[W | office, do(A = mean((A | kitchen)))]",
    ],
)
def test_a_world_that_assigns_the_image_exists(estimand: str) -> None:
    assert errors(f"{SCENES}estimate {estimand} on scenes\n") == []


def test_the_error_names_the_fix_at_the_world() -> None:
    (found,) = said(SCENES + "estimate E[W | office, do(A = (A | do()))] on scenes\n")
    assert found.span is not None
    assert found.span.text == "do()"
    assert "with image = row.…" in found.help[0]
    assert "kitchen, office" in found.help[1]


@pytest.mark.parametrize("column", ["prompt", "text"])
def test_columns_of_the_usual_names_feed_without_being_told(column: str) -> None:
    bare = MODEL + DATA.replace("with prompt = row.clean ", "") + NODES + "estimate E[LD] on ioi\n"
    assert errors(bare) == ["CQ305"]
    assert errors(bare.replace("cluster", f"with {column} = row.clean cluster")) == []


def test_the_prefix_is_optional() -> None:
    assert errors(SCENES.replace('with prefix = "a" ', "") + "estimate E[W | office] on scenes\n") == []


def test_nothing_is_said_of_a_model_that_is_not_read() -> None:
    assert errors(IOI + 'model cap = hf("./models/captioner")\nestimate E[LD] on ioi\n') == []


def test_objects_are_held_to_the_same() -> None:
    kitchen = o.do((o.Input("cap", "image"), o.Column("kitchen")))
    a = o.site("decoder", ("layer", 1), "cross", ("head", 3), "out", model="cap")
    assert o.codes(o.Expect(o.WOMAN), o.SCENES) == ["CQ305"]
    assert o.codes(o.Expect(o.WOMAN, kitchen), o.SCENES) == []
    factual = o.do((o.Input("cap", "image"), o.Column("kitchen")), (a, o.Counterfactual(a, o.FACTUAL)))
    assert o.codes(o.Expect(o.WOMAN, factual), o.SCENES) == ["CQ305"]
