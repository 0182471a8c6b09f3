"""What outcomes are kept under: a digest of all that they rest on, and of nothing else.

A key holds the formula with every nested world written out. Models, dictionaries, files and data stand in it by their
content, so that names do not matter, and places in a text do not. What belongs to one row is in the digest of the row.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import causalcircuit.rows as rows
from causalcircuit.query import Applied, Column, DataRef, Expr, ModelRef, Statistic, Text, World
from causalcircuit.query.address import Address, Attached, Position, Word
from causalcircuit.query.circuits.formulas import Known
from causalcircuit.query.expr import Draw, Input, Output, Wires
from causalcircuit.runs.contents import Contents, Unkeepable
from causalcircuit.store import DIGEST, checksum

# Columns that feed models unless the data say otherwise.
_FEEDS = ("prompt", "text", "image", "audio", "prefix")
_LONGEST = 1024
_FIELDS: dict[Any, tuple[str, ...]] = {}
_WHOLE, _NUMBERED = "whole", "numbered"
"""Besides columns: an outcome that depends on other rows too, and one whose noise belongs to the number of the row."""


@dataclass(frozen=True, slots=True)
class Read:
    """A part of a formula: its digest, and what of a row it depends on (columns start with `.`)."""

    digest: bytes
    facts: frozenset[str] = frozenset()


@dataclass(eq=False)
class Keys:
    """The keys of outcomes on one data set.

    Attributes:
        data: the rows. models: the program's, by name. contents: digests of models and files.
        setting: what all outcomes rest on: versions, code, how passes are planned.
    """

    data: rows.Dataset
    models: Mapping[str, ModelRef]
    contents: Contents
    setting: bytes
    _memo: dict[Any, Read] = field(default_factory=dict)
    _rows: dict[frozenset[str], bytes] = field(default_factory=dict)
    _values: dict[str, list[str]] = field(default_factory=dict)
    _others: dict[DataRef, Keys] = field(default_factory=dict)

    def item(self, kind: str, formulas: Iterable[Expr], number: int = 0) -> tuple[bytes, bytes]:
        """The key of a column, and the digests of all rows for it.

        Raises:
            Unkeepable: it rests on something that has no content to be named by.
        """
        found = [self._read(f) for f in formulas]
        facts = frozenset().union(*(f.facts for f in found))
        more = self._everything(facts) if _WHOLE in facts else b""
        parts = [self.setting, self._feeds().digest, kind.encode(), str(number).encode(), more]
        return checksum(*parts, *(f.digest for f in found)), self.digests(facts)

    def total(self, statistic: Statistic, layout: tuple[int, ...] | None) -> bytes:
        """The key of a reference: of its sum over all rows, or of that over the first ones where `layout` is given.

        Raises:
            Unkeepable: as `item`.
        """
        return checksum(b"total", self.setting, self._read(statistic).digest, repr(layout).encode())

    def digests(self, facts: frozenset[str]) -> bytes:
        """The digests of all rows, one after the other; of equal rows each has its own."""
        wanted = frozenset(facts | self._feeds().facts)
        if wanted not in self._rows:
            names = sorted(f[1:] for f in wanted if f.startswith("."))
            columns = [self._column(name) for name in names]
            numbers = [str(n) for n in self.data.rows] if _NUMBERED in wanted else [""] * self.data.n
            seen: dict[bytes, int] = {}
            out: list[bytes] = []
            for i, number in enumerate(numbers):
                content = "\0".join([*names, number, *(c[i] for c in columns)]).encode("utf-8", "surrogatepass")
                found = hashlib.blake2b(content, digest_size=DIGEST).digest()
                again = seen[found] = seen.get(found, -1) + 1
                out.append(found if not again else checksum(found, str(again).encode()))
            self._rows[wanted] = b"".join(out)
        return self._rows[wanted]

    def other(self, ref: DataRef) -> Keys:
        """The same for other data."""
        if ref == self.data.ref:
            return self
        if ref not in self._others:
            self._others[ref] = Keys(rows.load(ref), self.models, self.contents, self.setting)
        return self._others[ref]

    def _column(self, name: str) -> list[str]:
        """A column's values as text that tells any two apart; a path stands for the file's content too."""
        if name not in self._values:
            base = os.fspath(self.data.resolve(""))
            values = self.data.columns.get(name)
            self._values[name] = [""] * self.data.n if values is None else [self._value(v, base) for v in values]
        return self._values[name]

    def _value(self, value: Any, base: str) -> str:
        if isinstance(value, str):
            return f"{value!r}{self._file(value, base)}"
        if isinstance(value, list) and any(isinstance(v, str) for v in value):
            return f"[{','.join(self._value(v, base) for v in value)}]"
        return f"{type(value).__name__}{value!r}"

    def _file(self, value: str, base: str) -> str:
        """The digest of the file that a string names, if it names one: columns of images and masks hold paths."""
        if not value or len(value) > _LONGEST or "\n" in value:
            return ""
        try:
            found = self.contents.files.digest(os.path.join(base, value))
        except OSError as problem:
            raise Unkeepable(str(problem)) from None
        return "" if found is None else found.hex()

    def _everything(self, facts: frozenset[str]) -> bytes:
        """All rows together, with their weights: what statistics and donors depend on."""
        weight = self.data.ref.weight
        more = {f".{weight.name}"} if weight is not None else set()
        return checksum(self.digests(frozenset(facts | more)), b"" if weight is None else weight.name.encode())

    def _feeds(self) -> Read:
        """What feeds the models: the declaration, and its columns."""
        key = ("feeds",)
        if key not in self._memo:
            declared = self._read(self.data.ref.feeds)
            usual = {f".{name}" for name in _FEEDS if name in self.data.columns}
            self._memo[key] = Read(declared.digest, declared.facts | usual)
        return self._memo[key]

    def _read(self, x: Any) -> Read:
        """Any part of a formula."""
        if isinstance(x, float) and x.is_integer() and abs(x) < 2**53:
            x = int(x)  # 1 and 1.0 compare equal, and mean the same
        if x is None or isinstance(x, bool | int | float | str):
            return Read(f"{type(x).__name__} {x!r}".encode("utf-8", "surrogatepass"))
        if isinstance(x, tuple):
            return _joined("tuple", [self._read(part) for part in x])
        if isinstance(x, Path):
            found = self.contents.files.digest(x)
            if found is None:
                raise Unkeepable(f"{x.name} is gone")
            return Read(b"file " + found)
        if not is_dataclass(x) or isinstance(x, DataRef):
            raise Unkeepable(f"a {type(x).__name__} has no digest")
        if x not in self._memo:
            self._memo[x] = self._noun(x)
        return self._memo[x]

    def _noun(self, x: Any) -> Read:
        kind = type(x).__name__
        if isinstance(x, Statistic):
            return self._statistic(x)
        if isinstance(x, World):  # simultaneous: in whatever order
            return _joined(kind, sorted((self._read(a) for a in x.assignments), key=lambda r: r.digest))
        if isinstance(x, Address):
            return self._address(x)
        if isinstance(x, Known):  # a circuit by its wires, in whatever order, and what they are chosen among
            wires = sorted((self._read((e.source, e.target)) for e in x.circuit.edges), key=lambda r: r.digest)
            over = sorted(map(self._read, x.circuit.over), key=lambda r: r.digest)
            return _joined(kind, [*wires, Read(b"among"), *over])
        if isinstance(x, Applied) and x.file is None:
            raise Unkeepable(f"`{x.function}` lies in no file")
        parts = [self._part(x, name) for name in _compared(type(x))]
        facts = {f".{name}" for name in _named(x) if name is not None}
        facts |= {_NUMBERED} if getattr(x, "seed", None) is not None else set()
        facts |= {_WHOLE, _NUMBERED} if isinstance(x, Draw) else set()
        if isinstance(x, Text):
            parts.append(Read(self._file(x.value, os.fspath(self.data.resolve(""))).encode()))
        return _joined(kind, [*parts, Read(b"", frozenset(facts))])

    def _part(self, x: Any, name: str) -> Read:
        value = getattr(x, name)
        if name == "model" and isinstance(x, Input | Output | Wires):
            return self._model(value)
        return self._read(value)

    def _model(self, name: str) -> Read:
        return Read(b"model " + self.contents.model(self.models[name]))

    def _address(self, x: Address) -> Read:
        parts = [self._model(x.model)]
        for part in x.path:
            if isinstance(part, Attached):
                made = next((d for d in self.models[x.model].dictionaries if d.name == part.name), None)
                if made is None:
                    raise Unkeepable(f"`{part.name}` is not declared")
                parts.append(Read(b"dictionary " + self.contents.dictionary(made)))
            else:
                parts.append(_joined("Part", [self._read(part.name), self._read(part.index), self._read(part.text)]))
        return _joined("Address", parts)

    def _statistic(self, x: Statistic) -> Read:
        """A reference: by what it is computed from, and by all rows of the data that it is computed over."""
        over = self if x.on is None else self.other(x.on)
        parts = [over._read(getattr(x, name)) for name in _compared(type(x)) if name != "on"]
        facts = frozenset().union(*(p.facts for p in parts))
        made = _joined(type(x).__name__, parts)
        return Read(checksum(made.digest, over._feeds().digest, over._everything(facts)))


def _joined(kind: str, parts: list[Read]) -> Read:
    digest = checksum(kind.encode(), *(p.digest for p in parts))
    return Read(digest, frozenset().union(*(p.facts for p in parts)))


def _named(x: Any) -> Iterable[str | None]:
    """The columns that a noun names itself."""
    match x:
        case Column():
            return (x.name,)
        case Word():
            return (x.column, x.within)
        case Position():
            return (x.mask,)
        case _:
            return ()


def _compared(kind: Any) -> tuple[str, ...]:
    """The fields of a noun that say what it is."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(f.name for f in fields(kind) if f.compare)
    return _FIELDS[kind]
