"""Values between worlds: what a chunk of rows has read so far, and the references over all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from causalcircuit.diagnostics import Diagnostic
from causalcircuit.engine.formulas import column_of, model_of, said_in
from causalcircuit.engine.functions import by_row, each_row
from causalcircuit.engine.prepared import Prepared
from causalcircuit.engine.references import Partial, joined, kind_of
from causalcircuit.engine.values import Value, evaluate
from causalcircuit.models import LoadedModel, Written, media, number_feed
from causalcircuit.query import (
    Applied,
    Counterfactual,
    Draw,
    Expr,
    Noise,
    Site,
    Statistic,
    Text,
    Truth,
    is_text,
    render,
)
from causalcircuit.query.network import Numbers
from causalcircuit.query.plan import Reference


class Reads:
    """The reads of one chunk, and the references (`means`); the context in which cells are calculated."""

    def __init__(self, prepared: Prepared) -> None:
        """Hold nothing yet."""
        self._prepared = prepared
        self._chunk = range(0)
        self._parts: dict[tuple[int, Expr], list[Value]] = {}
        self._joined: dict[tuple[int, Expr], Value] = {}
        self._index = {(r.model, r.world, r.said): i for i, r in enumerate(prepared.plan.runs)}
        self._texts: dict[int, list[Written]] = {}
        self.cached: dict[str, bool] = {}
        self._totals: dict[Statistic, Partial] = {}
        self.means: dict[Statistic, Tensor] = {}
        self.notes: list[Diagnostic] = []
        self._columns: dict[str, Tensor] = {}
        self._media: dict[tuple[str, Path | Numbers], Mapping[str, Tensor]] = {}
        first = next(iter(prepared.models.values()), None)
        self.device = torch.device("cpu") if first is None else first.device
        self.weights = _weights(prepared).to(self.device)

    def start(self, chunk: range) -> None:
        """Forget the reads of the last chunk."""
        self._chunk = chunk
        self._parts.clear()
        self._texts.clear()
        self._joined.clear()
        self._media.clear()

    def media(self, model: LoadedModel, path: Path | Numbers) -> Mapping[str, Tensor]:
        """An image as a model sees it; the worlds of a chunk share it."""
        key = (model.ref.name, path)
        if key not in self._media:
            self._media[key] = number_feed(model, path) if isinstance(path, Numbers) else media(model, path)
        return self._media[key]

    def add(self, run: int, read: Expr, value: Value) -> None:
        """Keep what some more rows of the chunk read; rows come in order."""
        self._parts.setdefault((run, read), []).append(value)

    def read(self, leaf: Counterfactual) -> Value:
        """A site or readout in a world, on all rows of the chunk."""
        key = (self._index[model_of(leaf.value), leaf.world, said_in(leaf)], leaf.value)
        if key not in self._joined:
            parts = self._parts.pop(key)
            counts = None if parts[0].counts is None else tuple(c for p in parts for c in p.counts or ())
            data = parts[0].data if len(parts) == 1 else torch.cat([p.data for p in parts])
            self._joined[key] = Value(data.to(self.device), counts)
        return self._joined[key]

    def forget(self, run: int) -> None:
        """Let go of what was read in one world: it is read anew."""
        for found in (self._parts, self._joined):
            for key in [k for k in found if k[0] == run]:
                del found[key]

    def add_texts(self, run: int, texts: Sequence[Written]) -> None:
        """Keep what some more rows of the chunk wrote; rows come in order."""
        self._texts.setdefault(run, []).extend(texts)

    def texts(self, leaf: Counterfactual) -> list[Written]:
        """A text in a world, on all rows of the chunk."""
        return self._texts[self._index[model_of(leaf.value), leaf.world, said_in(leaf)]]

    def number(self, row: int, donor: Draw | None = None) -> int:
        """The number in its file of a row, or of its donor: what noise belongs to."""
        return self._prepared.data.rows[row if donor is None else self._prepared.donors[donor][row]]

    def natural(self, site: Site) -> Value:
        """A formula outside a pass has no bare sites."""
        raise TypeError(f"{site.address} is read outside a pass")

    def noise(self, e: Noise) -> Value:
        """Noise is on what an assignment sets."""
        raise TypeError(f"{render(e)} is read outside a pass")

    def column(self, name: str, donor: Draw | None = None) -> Value:
        """A column of numbers or lists of numbers, on the rows of the chunk or on their donors."""
        if name not in self._columns:
            self._columns[name] = torch.tensor(
                self._prepared.data.column(name), dtype=torch.float64, device=self.device
            )
        data = self._columns[name]
        if donor is None:
            data = data[self._chunk.start : self._chunk.stop]
        else:
            data = data[torch.tensor(self._chosen(donor), dtype=torch.long, device=data.device)]
        return Value(data, None if data.ndim == 1 else (1,) * len(data))

    def _chosen(self, donor: Draw) -> tuple[int, ...]:
        """The places of the donors of the chunk's rows."""
        return self._prepared.donors[donor][self._chunk.start : self._chunk.stop]

    def applied(self, e: Applied) -> Value:
        """What a function in Python gives, on the rows of the chunk."""
        found = each_row(e, [self._plain(a) for a in e.arguments], self._prepared.data, self._chunk)
        return Value(found.data.to(self.device))

    def _plain(self, e: Expr) -> Sequence[Any]:
        """[rows of the chunk] an argument as Python sees it."""
        found = column_of(e)
        if found is not None:
            column, donor = found
            values = self._prepared.data.column(column.name)
            return [values[i] for i in (self._chunk if donor is None else self._chosen(donor))]
        if isinstance(e, Text | Truth):
            return [e.value] * len(self._chunk)
        if isinstance(e, Counterfactual) and is_text(e):
            return [written.text for written in self.texts(e)]
        return by_row(evaluate(e, self), len(self._chunk))

    def reference(self, e: Statistic, rows: int | None = None) -> Value:
        """A statistic over all rows, for so many rows (those of the chunk)."""
        data = self.means[e]
        if e.pooled or data.ndim < 2:
            return Value(data)
        n = len(self._chunk) if rows is None else rows
        return Value(data.repeat(n, 1), (len(data),) * n)

    def partial(self, reference: Reference) -> Partial:
        """What the rows of the chunk give to a statistic."""
        e = reference.statistic
        values = [evaluate(part, self) for part in e.parts]
        return kind_of(e).partial(e, values, self.weights[self._chunk.start : self._chunk.stop])

    def accumulate(self, reference: Reference) -> None:
        """Add the rows of the chunk to a statistic."""
        e = reference.statistic
        self._totals[e] = joined(self._totals.get(e), self.partial(reference))

    def resume(self, reference: Reference, total: Mapping[str, NDArray[Any]]) -> None:
        """Go on from the sum of the first rows, which an earlier run kept."""
        self._totals[reference.statistic] = {k: torch.from_numpy(v).to(self.device) for k, v in total.items()}

    def total(self, reference: Reference) -> Mapping[str, NDArray[Any]]:
        """The sum so far."""
        return {k: v.cpu().numpy() for k, v in self._totals[reference.statistic].items()}

    def complete(self, reference: Reference) -> None:
        """A statistic whose rows have all been added; it takes the type of the activations where it is written."""
        e, total = reference.statistic, self._totals.pop(reference.statistic)
        self.means[e] = kind_of(e).complete(e, total)
        self.notes.extend(kind_of(e).notes(e, total))


def _weights(prepared: Prepared) -> Tensor:
    weight = prepared.data.ref.weight
    if weight is None:
        return torch.ones(prepared.data.n, dtype=torch.float64)
    return torch.tensor(prepared.data.column(weight.name, weight.span), dtype=torch.float64)
