"""`freeze`: a lock is written once; `test … under`: nothing that it pins has changed, and the rows are new."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import causalcircuit
import causalcircuit.rows as rows
from causalcircuit.diagnostics import Diagnostic, DiagnosticError, Span, error
from causalcircuit.query import Applied, DataRef, Expr, ModelRef, Program, Testing, models_of, references, walk
from causalcircuit.query.locks import (
    FORMAT,
    KIND,
    Freezing,
    Locked,
    canonical,
    changes,
    digest_of,
    pinned_data,
    pinned_estimator,
    pinned_family,
)
from causalcircuit.runs.contents import Contents, code, versions
from causalcircuit.runs.row_digests import KEY_BYTES, Digests, digests, key_id, relevant
from causalcircuit.runs.writing import check_place, write_whole
from causalcircuit.store import Files

_WHAT = "the lock"
_ROOMS = ("inference", "rows")
"""Besides those that outcomes come from: verdicts rest on them too."""
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Locks:
    """Writes and reads locks.

    Attributes:
        models: of the program, by name. contents: digests of them and of files.
    """

    models: Mapping[str, ModelRef]
    contents: Contents

    def freeze(self, asked: Freezing) -> Locked:
        """Write a lock, or find that the one that is there says the same.

        Raises:
            DiagnosticError: CQ931 it says something else, CQ932, CQ933 it is none, CQ936 its key is gone, CQ938 what
                cannot be pinned, CQ939 it cannot be written.
        """
        exprs = [c.query.expr for c in asked.claims]
        pins = self._pins(asked.name, asked, exprs, asked.like)
        there = asked.path.exists()
        old_key = there or key_path(asked.path).exists()
        key = read_key(asked.path, asked.span) if old_key else secrets.token_bytes(KEY_BYTES)
        seen = [(ref, digests(ref, pins["columns"], key, self.contents.files)) for ref in asked.seen]
        content = {
            "kind": KIND,
            "format": FORMAT,
            "frozen": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **pins,
            "rows": asked.rows,
            "seen": _seen(seen, key),
        }
        if there:
            old = read_lock(asked.path, asked.span)
            found = changes(_compared(old), _compared(content))
            if found:
                raise _pins_else(asked, found)
            return Locked(asked.name, asked.path.name, old["sha256"], len(old["seen"]["rows"]))
        content["sha256"] = digest_of(content)
        check_place(asked.path, _WHAT)
        if not old_key:
            write_whole(key_path(asked.path), (key.hex() + "\n").encode(), "the key of the lock", mode=0o600)
        body = json.loads(canonical(content)) | {"sha256": content["sha256"]}
        text = json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"
        write_whole(asked.path, text.encode(), _WHAT)
        return Locked(asked.name, asked.path.name, content["sha256"], len(content["seen"]["rows"]), written=True)

    def confirm(self, test: Testing) -> Locked:
        """Hold a test against its lock, before anything of it runs.

        Raises:
            DiagnosticError: CQ932 to CQ936.
        """
        path = test.under
        if path is None:
            raise TypeError("a test under no lock")
        lock = read_lock(path, test.span)
        exprs = [c.query.expr for c in test.claims]
        now = self._pins(name_of(test), test, exprs, test.data)
        found = changes({k: lock.get(k) for k in now}, now)
        data = rows.load(test.data)
        if lock.get("rows") is not None and lock["rows"] != data.n:
            found.append(("rows", lock["rows"], data.n))
        if found:
            raise _changed(path, found, test.span)
        key = read_key(path, test.span)
        if key_id(key) != lock["seen"]["key"]:
            raise _no_key(path, "is the key of another lock", test.span)
        _check_new(lock, digests(test.data, now["columns"], key, self.contents.files), data, test)
        return Locked(name_of(test), path.name, lock["sha256"], data.n, tested=True)

    def _pins(self, name: str, asked: Freezing | Testing, exprs: list[Expr], like: DataRef) -> dict[str, Any]:
        """All that a test rests on but its rows."""
        return {
            "family": pinned_family(name, asked.claims, asked.correction, asked.alpha),
            "estimator": pinned_estimator(asked.options),
            "data": pinned_data(like),
            "columns": relevant(like, exprs),
            "models": {m: self._model(self.models[m]) for m in sorted(set().union(*map(models_of, exprs)))},
            "references": self._references(exprs, like),
            "functions": self._functions(exprs, asked.span),
            "engine": {"versions": versions(), "code": code(*_ROOMS)},
            "library": library(),
        }

    def _model(self, ref: ModelRef) -> dict[str, Any]:
        return {
            "source": ref.source,
            "revision": ref.revision,
            "sha256": self.contents.weights(ref),
            "dtype": ref.dtype,
            "attention": ref.attention,
            "dictionaries": {d.name: self.contents.dictionary(d).hex() for d in ref.dictionaries},
        }

    def _references(self, exprs: list[Expr], like: DataRef) -> dict[str, Any]:
        """Other data that means and directions are computed over."""
        others = dict.fromkeys(ref for e in exprs for _, ref in references(e, like) if ref != like)
        out = {}
        for ref in others:
            found = self.contents.files.digest(ref.path)
            out[ref.label] = {"rows": rows.load(ref).n, "sha256": None if found is None else found.hex()}
        return out

    def _functions(self, exprs: list[Expr], span: Span | None) -> dict[str, str]:
        """Readouts in Python, by their files."""
        out = {}
        for made in dict.fromkeys(x for e in exprs for x in walk(e) if isinstance(x, Applied)):
            found = None if made.file is None else self.contents.files.digest(made.file)
            if found is None:
                way = "put the function in a file that the program names"
                raise error("CQ938", f"`{made.function}` lies in no file, and cannot be pinned", span, help=way)
            out[made.function] = found.hex()
        return out


def hold(program: Program, contents: Contents) -> list[Locked]:
    """Write the locks of a program, then hold its tests against theirs; all that is wrong is said at once.

    Raises:
        DiagnosticError: as `Locks.freeze` and `Locks.confirm`.
    """
    locks = Locks(program.models, contents)
    done: list[Locked] = []
    problems: list[Diagnostic] = []
    asked: list[Freezing | Testing] = [*program.freezes]
    asked += [c for c in program.commands if isinstance(c, Testing) and c.under is not None]
    for one in asked:
        try:
            done.append(locks.freeze(one) if isinstance(one, Freezing) else locks.confirm(one))
        except DiagnosticError as problem:
            problems += [d.at(one.span) for d in problem.diagnostics]
    DiagnosticError.raise_if(problems)
    return done


def name_of(test: Testing) -> str:
    """The family that is tested, or the only hypothesis."""
    return test.name or (test.claims[0].name if len(test.claims) == 1 else "")


def check_locks(program: Program) -> list[Diagnostic]:
    """What is wrong with the locks that tests name, as far as the program alone tells; models and rows come later.

    Codes: CQ932 to CQ934.
    """
    found: list[Diagnostic] = []
    written = {f.path for f in program.freezes}
    for test in program.commands:
        if not isinstance(test, Testing) or test.under is None or test.under in written:
            continue
        try:
            lock = read_lock(test.under, test.span)
            now = {
                "family": pinned_family(name_of(test), test.claims, test.correction, test.alpha),
                "estimator": pinned_estimator(test.options),
                "data": pinned_data(test.data),
            }
            differ = changes({k: lock.get(k) for k in now}, now)
            if differ:
                raise _changed(test.under, differ, test.span)
        except DiagnosticError as problem:
            found += problem.diagnostics
    return found


def library() -> dict[str, str]:
    """The standard library: the programs that come with the package, by content."""
    root = Path(causalcircuit.__file__).parent
    found = {p.relative_to(root).as_posix(): Files().digest(p) for p in sorted(root.rglob("*.cq"))}
    return {name: digest.hex() for name, digest in found.items() if digest is not None}


def read_lock(path: Path, span: Span | None = None) -> dict[str, Any]:
    """What a lock says.

    Raises:
        DiagnosticError: CQ932 there is none, or it is no lock; CQ933 it was changed after it was written.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        way = f'write it, with `freeze F to "{path.name}"`, where the family is declared'
        raise error("CQ932", f"there is no lock `{path.name}`", span, help=(way, f"looked for {path}")) from None
    except (OSError, ValueError, RecursionError) as problem:
        way = "name a file that `freeze` wrote"
        raise error("CQ932", f"the lock `{path.name}` cannot be read: {problem}", span, help=way) from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise error("CQ932", f"`{path.name}` is no lock", span, help="name a file that `freeze` wrote")
    if content.get("format") != FORMAT:
        message = f"`{path.name}` is a lock of format {content.get('format')}, and this version reads {FORMAT}"
        raise error("CQ932", message, span, help="test under it with the version that wrote it")
    try:
        intact = content.get("sha256") == digest_of(content)
    except ValueError:  # NaN in it
        intact = False
    seen = content.get("seen")
    if not intact or not isinstance(seen, dict) or not {"key", "rows", "clusters"} <= set(seen):
        message = f"`{path.name}` was changed after it was written: its digest is another"
        raise error("CQ933", message, span, help="take the lock as it was written, from where it was published")
    return content


def key_path(path: Path) -> Path:
    """Where the key of a lock lies."""
    return path.with_name(path.name + ".key")


def read_key(path: Path, span: Span | None = None) -> bytes:
    """The key of a lock.

    Raises:
        DiagnosticError: CQ936.
    """
    try:
        key = bytes.fromhex(key_path(path).read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise _no_key(path, "is not there", span) from None
    except (OSError, ValueError):
        raise _no_key(path, "cannot be read", span) from None
    if len(key) != KEY_BYTES:
        raise _no_key(path, "is no key", span)
    return key


def _no_key(path: Path, why: str, span: Span | None) -> DiagnosticError:
    ways = (f"put `{path.name}.key` beside the lock: it was written with it", "a new lock has a key of its own")
    return error("CQ936", f"whether rows are new cannot be told: `{path.name}.key` {why}", span, help=ways)


def _seen(found: Iterable[tuple[DataRef, Digests]], key: bytes) -> dict[str, Any]:
    """The rows that are there when a lock is made, in no order that tells of the data."""
    listed = list(found)
    return {
        "key": key_id(key),
        "data": {ref.label: len(d.rows) for ref, d in listed},
        "rows": sorted({r for _, d in listed for r in d.rows}),
        "clusters": sorted({c for _, d in listed for c in d.clusters}),
    }


def _compared(content: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal in two locks of one thing."""
    return {k: v for k, v in content.items() if k not in ("frozen", "sha256")}


def _check_new(lock: Mapping[str, Any], found: Digests, data: rows.Dataset, test: Testing) -> None:
    """Refuse rows, and clusters, that were there when the lock was made."""
    known, groups = set(lock["seen"]["rows"]), set(lock["seen"]["clusters"])
    old = [i for i, d in enumerate(found.rows) if d in known]
    shared = {d for d in found.clusters if d in groups}
    if not old and not shared:
        return
    if old:
        places = ", ".join(str(data.rows[i]) for i in old[:_SHOWN]) + (" and more" if len(old) > _SHOWN else "")
        what = f"{len(old)} of {data.n} rows of `{test.data.label}`"
        message = f"{what} were there when `{name_of(test)}` was frozen: {places}"
    else:
        message = (
            f"{len(shared)} of {len(set(found.clusters))} clusters of `{test.data.label}` were there when "
            f"`{name_of(test)}` was frozen"
        )
    ways = ("a test under a lock takes rows of its own: leave those out, with `where`", "or test without `under`")
    raise error("CQ935", message, test.span, help=ways)


def _pins_else(asked: Freezing, found: list[tuple[str, Any, Any]]) -> DiagnosticError:
    message = f"`{asked.path.name}` is there, and pins something else: {_listed(found)}"
    ways = ("a lock is never written over: name another file", "or leave `freeze` out, and test `under` the old one")
    return error("CQ931", message, asked.span, help=ways)


def _changed(path: Path, found: list[tuple[str, Any, Any]], span: Span | None) -> DiagnosticError:
    message = f"not what `{path.name}` pins: {_listed(found)}"
    ways = ("put back what was frozen", "or test without `under`: the verdicts are exploratory then")
    return error("CQ934", message, span, help=ways)


def _listed(found: list[tuple[str, Any, Any]]) -> str:
    """What differs, as far as it is short."""
    said = [f"{place} was {_short(a)}, is {_short(b)}" for place, a, b in found[:_SHOWN]]
    more = len(found) - _SHOWN
    return "; ".join(said) + (f"; and {more} more" if more > 0 else "")


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "there" if value else "nothing"
    if isinstance(value, list):
        return f"{len(value)} of them" if len(value) > 4 else json.dumps(value, ensure_ascii=False)
    text = str(value)
    return text if len(text) <= 100 else f"{text[:97]}…"
