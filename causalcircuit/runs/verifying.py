"""`cq verify`: a result is computed again, without the store, and compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from causalcircuit.diagnostics import Diagnostic, error, warning
from causalcircuit.query import Estimation, ModelRef, Program, Result
from causalcircuit.query.logs import Logging
from causalcircuit.query.past import Compared
from causalcircuit.runs.check import check_text
from causalcircuit.runs.execute import Runner
from causalcircuit.runs.past import find_run
from causalcircuit.runs.progress import Progress

if TYPE_CHECKING:
    from causalcircuit.engine.schedule import How

_ROUNDING = {"float64": 1e-8, "float32": 1e-4, "bfloat16": 5e-2, "float16": 1e-2}
_COUNTED = 2e-3
"""How far a p value may move: those of resampling count, and one of them more or less is rounding too."""
_SELECTED = 5e-2
"""The same of shares of bootstrap samples in which a wire is chosen."""
_SHARES = ("selected", "jaccard")
_KINDS = ("estimates", "hypotheses", "shown", "circuits")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A result that is to be verified, with the program that gave it."""

    result: Mapping[str, Any]
    text: str
    name: str
    folder: Path


def claimed(what: str, program: Path | None = None) -> Claimed:
    """The result in a file, or of a run on record.

    Args:
        what: a JSON file, or an id. program: where the program lies, if not where the result says.

    Raises:
        DiagnosticError: CQ745 no such run, CQ746 a file that is no whole result, or whose program is gone or changed.
    """
    path = Path(what)
    if not path.is_file():
        if path.suffix == ".json" or "/" in what:
            raise _unfit(f"the file `{what}` does not exist", "`cq run FILE --format json > result.json` writes one")
        run = find_run(what)
        if run.state != "done":
            raise _unfit(f"the run `{run.id}` was not finished", "run its program again: what was computed is kept")
        return Claimed(run.result, run.text, run.name, Path(run.folder))
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        said = result["manifest"]["program"]
        name, sha256 = str(said["name"]), str(said["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        help = "`cq run FILE --format json` writes one; a result of the Python API has no program to run again"
        raise _unfit(f"`{what}` is no result of a program", help) from None
    if result.get("interrupted"):
        raise _unfit(f"`{what}` was interrupted", "run its program again: what was computed is kept")
    places = [program] if program is not None else [path.resolve().parent / name, Path(name)]
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        raise _unfit(f"the program of `{what}` is not at `{places[-1]}`", "`--program FILE` says where it lies")
    text = found.read_text(encoding="utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != sha256:
        raise _unfit(f"`{found}` is not the program that gave `{what}`", "it was changed since: run it anew")
    return Claimed(result, text, str(found), found.resolve().parent)


def verify(of: Claimed, progress: Progress | None = None) -> tuple[list[Compared], list[Diagnostic]]:
    """Compute a result again, without the store: how its answers compare, and what is not as it was.

    Raises:
        DiagnosticError: the program cannot be run (any more).
    """
    program = check_text(of.text, of.name, of.folder)
    tests_only = not of.result.get("estimates") and any(isinstance(c, Estimation) for c in program.commands)
    how: How = "naive" if of.result.get("manifest", {}).get("plan") == "naive" else "full"
    kept = tuple(c for c in program.commands if not isinstance(c, Logging))
    program = replace(program, savings=(), drawings=(), commands=kept)  # what was saved stays as it is
    anew = Runner(keep="off", how=how).run(program, tests_only=tests_only, progress=progress)
    tolerance = max([_ROUNDING[ref.dtype] for ref in _models(program)], default=_ROUNDING["float64"])
    return list(compare(of.result, anew, tolerance)), list(_changed(of.result.get("manifest", {}), anew.manifest))


def compare(then: Mapping[str, Any], anew: Result, tolerance: float) -> Iterator[Compared]:
    """Answer by answer; one that is not there any more differs."""
    now = json.loads(json.dumps(anew.to_json()))
    for kind in _KINDS:
        old, new = ([_scored(x) if kind == "circuits" else x for x in of.get(kind, [])] for of in (then, now))
        for i in range(max(len(old), len(new))):
            a, b = (x[i] if i < len(x) else {} for x in (old, new))
            name = str(a.get("name") or b.get("name") or kind)
            at = a.get("at") or {}
            label = " ".join([name, *(f"{k} = {v}" for k, v in at.items())]) if isinstance(at, dict) else name
            found = list(_distances(a, b, ""))
            worst = max(found, key=lambda f: f[1] / _bound(f[0], tolerance), default=("", 0.0))
            bound = _bound(worst[0], tolerance)
            how = "equal" if a == b else "rounding" if worst[1] <= bound else "differs"
            yield Compared(label, how, a.get("value"), b.get("value"), worst[1], worst[0])  # type: ignore[arg-type]


def _bound(path: str, tolerance: float) -> float:
    """How far a number may move."""
    last = path.rpartition(".")[2].partition("[")[0]
    counted = last == "p" or last.startswith("p_")
    return _SELECTED if last in _SHARES else _COUNTED if counted else tolerance


def _scored(circuit: Any) -> Any:
    """A circuit less what another run of it may say otherwise: its cost, its hash, and the order of equal scores."""
    if not isinstance(circuit, dict) or "edges" not in circuit:
        return circuit
    kept = {k: v for k, v in circuit.items() if k not in ("sha256", "sites")}
    for part in ("origin", "trust"):
        said = kept.get(part) or {}
        kept[part] = {k: v for k, v in said.items() if k not in ("seconds", "passes", "versions")}
    kept["edges"] = sorted(kept["edges"], key=lambda e: (str(e.get("source")), str(e.get("target"))))
    kept["nodes"] = sorted(kept.get("nodes", []), key=lambda n: str(n.get("site")))
    return kept


def _distances(a: Any, b: Any, path: str) -> Iterator[tuple[str, float]]:
    """Where two trees differ, and how far: infinitely where they are not both numbers."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in dict.fromkeys([*a, *b]):
            yield from _distances(a.get(key), b.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _distances(x, y, f"{path}[{i}]")
    elif _number(a) and _number(b):
        if a != b:
            yield path, abs(a - b) / max(1.0, abs(a), abs(b))
    elif a != b:
        yield path, float("inf")


def _number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """What a result was made from, and is not any more."""
    found = [f"the {kind} `{name}`" for kind, name in _others(then, now)]
    old, new = then.get("versions", {}), now.get("versions", {})
    found += [f"{k} ({old.get(k)}, now {new.get(k)})" for k in dict.fromkeys([*old, *new]) if old.get(k) != new.get(k)]
    if then.get("code") != now.get("code") and not any("causalcircuit" in f for f in found):
        found.append("the code of CausalCircuit")
    if found:
        yield warning(
            "CQ747",
            f"the result was made from something else: {', '.join(found)}",
            help="a difference may come from that; the same files and versions give the same numbers",
        )


def _others(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, word in (("models", "model"), ("data", "data")):
        old, new = then.get(kind, {}), now.get(kind, {})
        for name in dict.fromkeys([*old, *new]):
            if old.get(name, {}).get("sha256") != new.get(name, {}).get("sha256"):
                yield word, name


def _models(program: Program) -> Sequence[ModelRef]:
    return list(program.models.values())


def _unfit(what: str, help: str) -> Exception:
    return error("CQ746", f"there is nothing to verify: {what}", help=help)
