"""The Markdown table of what was measured."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import torch

from benchmarks.interventions.contenders import CONTENDERS
from benchmarks.interventions.floor import least, naive
from benchmarks.interventions.timing import Line


def head(names: Sequence[str]) -> str:
    """The first lines: what each contender takes, then the ratio of the engine alone, the bar, and that of FLOPs."""
    titles = [CONTENDERS[n].title for n in names]
    shown = ["workload", *titles, "engine alone", "bar", "by FLOPs"]
    return f"| {' | '.join(shown)} |\n|---|{'---:|' * (len(shown) - 1)}"


def line(found: Line, names: Iterable[str]) -> str:
    """One workload: seconds, and how many times more than CausalCircuit's; what is unable is left out with a dash."""
    cells = [found.task.workload.title]
    for name in names:
        if name not in found.seconds:
            cells.append("–")
            continue
        times = f" ({found.ratio('causal', of=name):.2f}×)" if name != "causal" and "causal" in found.seconds else ""
        cells.append(f"{_seconds(found.median(name))} s{times}")
    both = "naive" in found.seconds and "causal" in found.seconds
    cells.append(f"{found.engine():.2f}×" if both else "–")
    cells += [f"{found.task.workload.bar:g}×", f"{naive(found.task) / least(found.task):.1f}×"]
    return f"| {' | '.join(cells)} |"


def notes(found: Line) -> list[str]:
    """What else is to be said of a workload."""
    said = [f"{CONTENDERS[n].title} is left out: {why}" for n, why in found.unable.items()]
    said.append(f"outcomes agree to {found.gap:.0e}, the median effect is {found.effect:.2g}")
    if found.parts:
        last = found.parts[-1]
        around = last["check"] + last["run"] - last["engine"]
        said.append(
            f"CausalCircuit, last round: {last['check']:.2f} s check, {last['run'] - last['engine']:.2f} s planning "
            f"and inference, {last['engine']:.2f} s engine ({100 * around / (around + last['engine']):.0f}% around it)"
        )
    return said


def setting(rounds: int | None, quick: bool) -> str:
    """Where and how it was measured."""
    often = "one round" if quick else "one to seven rounds" if rounds is None else f"{rounds} rounds"
    some = ", some heads only (`--quick`: ratios differ from those of the whole)" if quick else ""
    where = f"{os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f} at the start"
    return f"CPU seconds on one thread, medians of {often} in turns, float32, torch {torch.__version__}; {where}{some}."


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
