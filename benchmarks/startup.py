"""How long the commands that load no model take to start.

Run with ``python -m benchmarks.startup [--rounds N]``; prints a Markdown table.  The commands take turns, so
that a busy moment of the machine falls on all of them; the medians of CPU and wall time are shown.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
CQ = Path(sys.executable).with_name("cq")

# An installed package comes with its byte code; without it every start would compile.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def hundred_lines(examples: Path = ROOT / "examples") -> str:
    """Return a correct program of 100 lines over the shipped indirect-object model."""
    head = [
        "## Every head of the indirect-object model, three times over",
        f'model gpt2 = hf("{examples}/models/ioi")',
        f'data ioi = jsonl("{examples}/data/ioi.jsonl") with prompt = row.clean cluster row.names',
        "node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last",
    ]
    body = [
        line
        for i in range(24)
        for line in (
            f"# head {i % 4} of layer {i // 4 % 2}",
            f"node H{i} = gpt2.layer[{i // 4 % 2}].head[{i % 4}].out @ last",
            f"let effect{i} = E[LD | do(H{i} = mean(H{i}))] - E[LD]",
            f"estimate effect{i} on ioi ci 95%",
        )
    ]
    return "\n".join(head + body) + "\n"


def cost(command: list[str]) -> tuple[float, float]:
    """Return CPU and wall seconds of one run of `command`.

    Raises:
        subprocess.CalledProcessError: the command failed; its time would mean nothing.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
    after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, end - start


def measure(commands: dict[str, list[str]], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the median CPU and wall seconds of each command over `rounds` interleaved rounds.

    One round before the first warms the file cache and the grammar's.
    """
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            sample = cost(command)
            if turn:
                seen[name].append(sample)
    return {
        name: (statistics.median(cpu for cpu, _ in runs), statistics.median(wall for _, wall in runs))
        for name, runs in seen.items()
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "hundred.cq"
        program.write_text(hundred_lines())
        commands = {
            "`python -c pass`": [sys.executable, "-c", "pass"],
            "`import numpy`": [sys.executable, "-c", "import numpy"],
            "`import causalcircuit`": [sys.executable, "-c", "import causalcircuit"],
            "`cq --help`": [str(CQ), "--help"],
            "`cq check`, 100 lines": [str(CQ), "check", str(program)],
        }
        medians = measure(commands, rounds)
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    print(f"`python -m benchmarks.startup --rounds {rounds}`, commit {commit}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| command | CPU, ms | wall, ms |\n|---|---:|---:|")
    for name, (cpu, wall) in medians.items():
        print(f"| {name} | {1000 * cpu:.0f} | {1000 * wall:.0f} |")


if __name__ == "__main__":
    main()
