"""What attempts to refute an estimate found: the answer of each refuter, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["held", "fragile", "failed", "undecided"]
REFUTERS = ("placebo", "common_cause", "subset", "confounder")
ADJUSTING = ("common_cause", "confounder")
"""Those that add a cause to what is adjusted for."""


@dataclass(frozen=True, slots=True)
class Refutation:
    """One attempt.

    Attributes:
        refuter: one of `REFUTERS`. what: what was done to the rows, in words.
        expected: what a sound analysis would show.
        before: the estimate. after: the mean of the estimates made anew. spread: the central 95% of them.
        repeats: how many were made. lost: how many of them gave no number.
        verdict: `held`, `failed`, `fragile` (of a confounder that nobody can rule out), or `undecided`.
        said: why, in words.
        strengths: of simulated confounders, (times as strong as the strongest covariate, mean estimate).
    """

    refuter: str
    what: str
    expected: str
    before: float
    after: float
    spread: tuple[float, float]
    repeats: int
    lost: int
    verdict: Verdict
    said: str
    strengths: tuple[tuple[float, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        out: dict[str, Any] = {
            "refuter": self.refuter,
            "what": self.what,
            "expected": self.expected,
            "before": self.before,
            "after": self.after,
            "spread": {"low": self.spread[0], "high": self.spread[1]},
            "repeats": self.repeats,
            "lost": self.lost,
            "verdict": self.verdict,
            "said": self.said,
        }
        if self.strengths:
            out["strengths"] = [{"times": times, "value": value} for times, value in self.strengths]
        return out
