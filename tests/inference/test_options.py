"""What is said before anything is run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.diagnostics.catalogue import page
from causalcircuit.inference import ESTIMATORS, check_options, infer
from causalcircuit.query import LAST, Binary, Call, Column, DataRef, Expect, Expr, Number, Options, Readout, Text
from tests.inference.making import DIFFERENCE, RATIO, pairs, probability, sample

LOGIT = Readout("m", "logit", Text("a"), LAST)
MEAN = Expect(LOGIT)
OTHER = Expect(Readout("m", "logit", Text("b"), LAST))
SHARE = Binary("/", Binary("-", MEAN, OTHER), OTHER)
EVENT = probability(LOGIT)
CLUSTER, WEIGHT = Column("names"), Column("w")


def data(**more: Column) -> DataRef:
    return DataRef("d", "jsonl", Path("d.jsonl"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "options", "reference", "codes"),
    [
        (MEAN, Options(), data(), []),
        (SHARE, Options(), data(cluster=CLUSTER), []),
        (MEAN, Options("bootstrap", 2000, seed=1), data(), []),
        (SHARE, Options("fieller"), data(cluster=CLUSTER), []),
        (Binary("-", Number(1.0), SHARE), Options("fieller"), data(), []),
        (EVENT, Options("wilson"), data(), []),
        (MEAN, Options("bootstrp"), data(), ["CQ601"]),
        (MEAN, Options(level=1.0), data(), ["CQ602"]),
        (MEAN, Options(level=0.0), data(), ["CQ602"]),
        (MEAN, Options("bca", 2000), data(), ["CQ603"]),
        (MEAN, Options("percentile", level=95.0), data(), ["CQ602", "CQ603"]),
        (MEAN, Options(seed=7), data(), ["CQ604"]),
        (MEAN, Options("student", 400, seed=7), data(), ["CQ604"]),
        (MEAN, Options("basic", 398, seed=7), data(), ["CQ605"]),
        (MEAN, Options("basic", 399, seed=7), data(), []),
        (MEAN, Options("basic", 1998, seed=7, level=0.99), data(), ["CQ605"]),
        (MEAN, Options("basic", 1999, seed=7, level=0.99), data(), []),
        (MEAN, Options("wilson"), data(), ["CQ607"]),
        (EVENT, Options("wilson"), data(cluster=CLUSTER), ["CQ607"]),
        (EVENT, Options("wilson"), data(weight=WEIGHT), ["CQ607"]),
        (Binary("-", EVENT, probability(OTHER)), Options("wilson"), data(), ["CQ607"]),
        (MEAN, Options("fieller"), data(), ["CQ607"]),
        (SHARE, Options("student"), data(), ["CQ607"]),
        (Call("abs", (MEAN,)), Options("bca", seed=7), data(), ["CQ608"]),
        (Call("max", (MEAN, OTHER)), Options("student"), data(), ["CQ608"]),
        (Binary("^", MEAN, Number(2.0)), Options("percentile", seed=7), data(), ["CQ608"]),
        (Binary("*", MEAN, MEAN), Options("delta"), data(), ["CQ608"]),
        (Binary("^", MEAN, Number(3.0)), Options("bca", seed=7), data(), []),
        (Expect(Call("abs", (LOGIT,))), Options("bca", seed=7), data(), []),
        (Call("abs", (MEAN,)), Options(), data(), []),
        (MEAN, Options(population=True), data(), []),
        (MEAN, Options("bca", population=True), data(), ["CQ612"]),
    ],
)
def test_options_are_judged_before_the_run(
    expression: Expr, options: Options, reference: DataRef, codes: list[str]
) -> None:
    found = check_options(expression, options, reference)
    assert [d.code for d in found] == codes
    assert all(d.help for d in found)


def test_a_misspelt_method_is_recognised() -> None:
    [found] = check_options(MEAN, Options("fieler"), data())
    assert found.help == ("did you mean `fieller`?",)


def test_warnings_are_no_errors() -> None:
    assert [d.is_error for d in check_options(MEAN, Options(seed=7), data())] == [False]
    assert [d.is_error for d in check_options(MEAN, Options("student", population=True), data())] == [False]


@pytest.mark.parametrize(
    ("combine", "method", "code"),
    [(DIFFERENCE, "bootstrp", "CQ601"), (RATIO, "student", "CQ607"), (Call("abs", (DIFFERENCE,)), "bca", "CQ608")],
)
def test_infer_refuses_the_same(combine: Expr, method: str, code: str) -> None:
    with pytest.raises(DiagnosticError, match=code):
        infer(sample(pairs(), combine), Options(method, seed=1))


def test_every_code_of_this_room_has_a_page() -> None:
    folder = Path(infer.__code__.co_filename).parent
    used = {
        word for file in folder.glob("*.py") for word in re.findall(r'"(CQ\d{3})"', file.read_text(encoding="utf-8"))
    }
    assert {"CQ601", "CQ606", "CQ613", "CQ711"} <= used
    for code in sorted(used):
        text = page(code)
        assert text is not None, code
        assert text.startswith(f"# {code}: ")
        assert "\n## Example\n" in text
        assert "\n## Way out\n" in text


def test_an_estimator_is_one_decorated_function() -> None:
    from causalcircuit.inference import Fit, Problem, estimator

    @estimator("median of nothing")
    def point(problem: Problem, options: Options) -> Fit:
        value = problem.units.mean[..., 0]
        return Fit(value, lambda a: (value - a, value + a), "a point")

    try:
        assert infer(sample(np.arange(4.0)), Options("median of nothing")).value == 1.5
    finally:
        del ESTIMATORS["median of nothing"]
