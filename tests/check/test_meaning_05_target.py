"""Meaning 5: `on d` means the process that d samples, `as population` these rows."""

from __future__ import annotations

import pytest

from causalcircuit.query import Estimation
from tests.check.programs import IOI, checked, errors, warnings


@pytest.mark.parametrize(("words", "population"), [("", False), (" as population", True)])
def test_the_target_is_what_is_said(words: str, population: bool) -> None:
    (command,) = checked(f"{IOI}estimate E[LD] on ioi{words}\n").commands
    assert isinstance(command, Estimation)
    assert command.options.population is population


def test_views_are_shown_and_other_targets_come_later() -> None:
    assert errors(f"{IOI}estimate E[LD] on ioi as heatmap\n") == ["CQ112"]
    assert errors(f"{IOI}estimate E[LD] on ioi as population, heatmap\n") == ["CQ112"]
    assert errors(f"{IOI}estimate E[LD] on ioi as sample\n") == ["CQ105"]
    assert errors(f"{IOI}show E[LD] on ioi as graph\n") == ["CQ105"]


def test_a_method_has_nothing_to_do_with_a_population() -> None:
    assert warnings(f"{IOI}estimate E[LD] on ioi as population with bootstrap(2000) seed 7\n") == ["CQ612"]


def test_a_question_without_data_has_no_target() -> None:
    assert errors(f"{IOI}estimate E[LD]\n") == ["CQ217"]
    assert errors(f"{IOI}test E[LD] > 0 logit\n") == ["CQ217"]
    assert errors(f"{IOI}estimate E[LD] on NM\n") == ["CQ217"]
