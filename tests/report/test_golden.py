"""Reports look as they looked when someone last read them."""

import json

import pytest

from tests.report.golden import FOLDER, views
from tests.report.samples import RESULTS


@pytest.mark.parametrize("name", RESULTS)
def test_views_are_the_golden_ones(name: str) -> None:
    for ending, text in views(RESULTS[name]).items():
        golden = (FOLDER / f"{name}.{ending}").read_text(encoding="utf-8")
        assert text == golden, f"{name}.{ending} changed; if for the better: python -m tests.report.golden"


def test_no_golden_file_is_left_over() -> None:
    expected = {f"{name}.{ending}" for name in RESULTS for ending in views(RESULTS[name])}
    assert {path.name for path in FOLDER.iterdir()} == expected


def test_the_schema_is_that_of_the_reference() -> None:
    whole = json.loads((FOLDER / "groups.json").read_text())
    assert whole["schema"] == 1
    assert whole.keys() == {"schema", "estimates", "hypotheses", "diagnostics"}
    for estimate in whole["estimates"]:
        wanted = {"name", "value", "interval", "level", "unit", "n", "clusters", "regime", "estimand", "at"}
        assert wanted <= estimate.keys()
        assert estimate["interval"][0] <= estimate["value"] <= estimate["interval"][1]
    assert [e["at"]["row.gender"] for e in whole["estimates"]] == ["woman", "man", "unknown"]
    assert [d["code"] for d in whole["diagnostics"]] == ["CQ609"]
    claims = json.loads((FOLDER / "claims.json").read_text())["hypotheses"]
    assert all({"name", "verdict", "value", "interval", "p_adjusted"} <= claim.keys() for claim in claims)


def test_what_is_undefined_is_null_with_a_reason() -> None:
    undefined = json.loads((FOLDER / "undefined.json").read_text())["estimates"][0]
    assert undefined["value"] is None
    assert undefined["interval"] is None
    assert "holds 0" in undefined["reason"]
    one_sided = json.loads((FOLDER / "undefined.json").read_text())["estimates"][3]
    assert one_sided["interval"] == [None, -1.23456]
