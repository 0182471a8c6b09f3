"""The largest memory of a contender at work: each in a process of its own, since one process cannot tell them apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.interventions.contenders import CONTENDERS, UnableError
from benchmarks.interventions.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Peak:
    """Resident memory in bytes: with the model loaded, and the largest while a workload was answered."""

    loaded: int
    peak: int


def peak(name: str, workload: str, root: Path, *, quick: bool) -> Peak | str:
    """Of a contender in a fresh process, or why it takes no part."""
    command = [sys.executable, "-m", __name__, name, workload, str(root), str(int(quick))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}, {workload}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["unable"] if "unable" in found else Peak(found["loaded"], found["peak"])


def table(names: Sequence[str], workloads: Iterable[str], root: Path, *, quick: bool) -> str:
    """The Markdown table: megabytes of each contender, those after loading in parentheses, and the ratio to naive."""
    lines = [
        f"| workload | {' | '.join(CONTENDERS[n].title for n in names)} | CausalCircuit / naive |",
        f"|---|{'---:|' * (len(names) + 1)}",
    ]
    for workload in workloads:
        found = {n: peak(n, workload, root, quick=quick) for n in names}
        cells = [f"{p.peak / 1e6:.0f} ({p.loaded / 1e6:.0f})" if isinstance(p, Peak) else "–" for p in found.values()]
        naive, ours = found.get("naive"), found.get("causal")
        both = isinstance(naive, Peak) and isinstance(ours, Peak)
        ratio = f"{ours.peak / naive.peak:.2f}" if both else "–"  # type: ignore[union-attr]
        lines.append(f"| {WORKLOADS[workload].title} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)


def _resident(field: str) -> int:
    """A line of the kernel's account of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def _measure(name: str, workload: str, root: Path, *, quick: bool) -> dict[str, object]:
    """In the fresh process: the peak of loading is forgotten before the work begins."""
    import torch

    from benchmarks.interventions.task import task

    torch.set_num_threads(1)
    try:
        asked = CONTENDERS[name].ready(task(WORKLOADS[workload], root, quick=quick))
    except UnableError as reason:
        return {"unable": str(reason)}
    loaded = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    asked()
    return {"loaded": loaded, "peak": _resident("VmHWM")}


if __name__ == "__main__":
    os.environ["XDG_CACHE_HOME"] = sys.argv[3]
    print(json.dumps(_measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]), quick=sys.argv[4] == "1")))
