"""Measure, and print the table: `python -m benchmarks.interventions [--quick] [--workload NAME …]`."""

from __future__ import annotations

import argparse
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from benchmarks.interventions.contenders import CONTENDERS
from benchmarks.interventions.workloads import WORKLOADS

KEPT = Path(__file__).parents[2] / ".cache" / "benchmarks"
"""Models and rows, made once, and the proofs of the models."""


def main() -> None:
    """Measure what was chosen."""
    chosen = _arguments()
    KEPT.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(KEPT)
    import transformers

    from benchmarks.interventions.memory import table as memory
    from benchmarks.interventions.table import head, line, notes, setting
    from benchmarks.interventions.task import task
    from benchmarks.interventions.timing import measure

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    names: list[str] = chosen.contenders
    if chosen.memory:
        print(memory(names, chosen.workload, KEPT, quick=chosen.quick))
        return
    print(f"Commit {_commit()}, {datetime.now(UTC):%Y-%m-%d}. {setting(chosen.rounds, chosen.quick)}\n")
    print(head(names))
    said: list[str] = []
    for name in chosen.workload:
        workload = WORKLOADS[name]
        rounds = chosen.rounds or (1 if chosen.quick else workload.rounds)
        found = measure(task(workload, KEPT, quick=chosen.quick), names, rounds)
        print(line(found, names), flush=True)
        said += [f"{workload.title}: {note}" for note in notes(found)]
    print("\n" + "\n".join(f"- {note}" for note in said))


def _commit() -> str:
    described = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(described, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interventions", description=__doc__)
    parser.add_argument("--workload", nargs="+", choices=WORKLOADS, help="lines of the table, by default all")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, help="by default all that are installed")
    parser.add_argument("--rounds", type=int, help="turns of each contender, by default as many as the line needs")
    parser.add_argument("--quick", action="store_true", help="fewer heads, one round, no peers: under a minute")
    parser.add_argument("--memory", action="store_true", help="the largest memory in place of times")
    chosen = parser.parse_args()
    if chosen.workload is None:
        chosen.workload = [n for n, w in WORKLOADS.items() if w.shape in ("gpt2", "small") or not chosen.quick]
    if chosen.contenders is None:
        chosen.contenders = ["naive", "causal"] if chosen.quick else list(CONTENDERS)
    return chosen


if __name__ == "__main__":
    main()
