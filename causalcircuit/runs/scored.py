"""One attribution with the store beside it: what is known is taken over, and what is new lasts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalcircuit.diagnostics import error
from causalcircuit.query import Counterfactual, Program, render
from causalcircuit.query.circuit import Circuit, Trust
from causalcircuit.query.circuits.document import circuit_of, document
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.query.circuits.schema import Mismatch
from causalcircuit.rows import Dataset, clusters
from causalcircuit.runs.contents import Unkeepable, code
from causalcircuit.runs.keeping import Keeping, Shelf
from causalcircuit.runs.keys import Keys
from causalcircuit.store import checksum, get, put

if TYPE_CHECKING:
    from causalcircuit.models import LoadedModel
    from causalcircuit.runs.progress import Progress


@dataclass(eq=False)
class ScoreShelf:
    """The scores of one attribution in the store (see `attribution.lasting`).

    Scores lie under what they rest on: the readout, both worlds, the method, the nodes, the model and the code, with
    the digests of the rows. What is made of them, a circuit, lies under that, and its wishes and names.
    """

    keeping: Keeping
    keys: Keys
    place: tuple[bytes, bytes]
    circuit_key: bytes
    stored: int = 0

    @classmethod
    def of(cls, asked: Attributed, program: Program, data: Dataset, keeping: Keeping) -> ScoreShelf | None:
        """Where the scores of an attribution lie; `None` without a store, or where they cannot be named."""
        if keeping.outcomes is None:
            return None
        keys = keeping.keys(data, program.models, f"attribution {code('attribution')}")
        ends = (Counterfactual(asked.readout, w) for w in (asked.start, asked.end))
        try:
            place = keys.item(f"scores {asked.method}", [*ends, *asked.over])
        except Unkeepable:
            return None
        names = program.names
        said = [render(asked.readout, names), asked.side("from", names), asked.side("to", names)]
        said += [asked.model, program.models[asked.model].source, data.ref.label]
        said += [
            str(asked.keep),
            repr(asked.above),
            repr(asked.seed),
            repr(_rest(asked)),
            *(render(s) for s in asked.over),
        ]
        weight = data.ref.weight
        sampled = [clusters(data), None if weight is None else data.column(weight.name)]
        key = checksum(b"circuit", *place, json.dumps(said).encode(), repr(sampled).encode())
        return cls(keeping, keys, place, key)

    @property
    def outcomes(self) -> Shelf | None:
        """Outcomes of worlds on the same rows."""
        return self.keeping.shelf(self.keys)

    def scores(self, columns: int) -> tuple[NDArray[np.float64], NDArray[Any]] | None:
        """[rows, columns] what is known, and [rows] which rows are."""
        found = None if self.keeping.fresh else self._outcomes.recall(*self.place)
        if found is None or found.values.shape[1:] != (columns,) or found.values.dtype != np.float64:
            return None
        self.stored = int(found.mask.sum())
        return found.values, found.mask

    def keep(self, rows: range, scores: NDArray[np.float64]) -> None:
        """Keep the scores of some rows."""
        size = len(self.place[1]) // self.keys.data.n
        digests = self.place[1][rows.start * size : rows.stop * size]
        self._outcomes.keep({self.place[0]: (digests, np.ascontiguousarray(scores))}, {})

    def finish(self, table: NDArray[np.float64]) -> None:
        """Put together what was kept chunk by chunk."""
        self._outcomes.whole({self.place[0]: (self.place[1], table)}, [])

    def sums(self) -> tuple[int, Mapping[str, NDArray[Any]]] | None:
        """How many rows are in sums that were kept, and those."""
        found = None if self.keeping.fresh else self._outcomes.total(self._sums)
        self.stored = 0 if found is None else found[0]
        return found

    def keep_sums(self, rows: int, sums: Mapping[str, NDArray[Any]]) -> None:
        """Keep sums over the first rows, in the place of earlier ones."""
        self._outcomes.keep({}, {self._sums: (rows, sums)})

    def circuit(self) -> Circuit | None:
        """The circuit, where it was made before."""
        ledger = self._outcomes.ledger
        found = None if self.keeping.fresh else get(ledger, "plans", self.circuit_key)
        try:
            return None if found is None else circuit_of(json.loads(found))
        except (ValueError, Mismatch):
            return None

    def remember(self, made: Circuit) -> None:
        """Keep the circuit itself."""
        try:
            said = json.dumps(document(made)).encode()
        except ValueError:  # a number that is not finite has no place in a file
            return
        put(self._outcomes.ledger, "plans", self.circuit_key, said)

    @property
    def _outcomes(self) -> Any:
        return self.keeping.outcomes

    @property
    def _sums(self) -> bytes:
        return checksum(b"sums", self.circuit_key)


def _rest(asked: Attributed) -> dict[str, object]:
    """Everything else that an attribution says, should it come to say more."""
    own = ("model", "readout", "start", "end", "method", "data", "over", "keep", "above", "seed")
    return {k: getattr(asked, k) for k in asked.__dataclass_fields__ if k not in own}


@dataclass(frozen=True, slots=True)
class Count:
    """Scores of an attribution: its rows, those that were found, and those that were computed."""

    rows: int
    stored: int
    computed: int


def scored(
    asked: Attributed,
    program: Program,
    data: Dataset,
    model: Callable[[str], LoadedModel],
    keeping: Keeping,
    limit: int | None = None,
    progress: Progress | None = None,
) -> tuple[Circuit, Count]:
    """An attribution; where all of it is known no model is loaded.

    Args:
        asked: what. program: that asks. data: its rows. model: a declared one, loaded. keeping: the store.
        limit: bytes that it may take. progress: hears of rows.

    Raises:
        DiagnosticError: CQ822, a model in half precision whose weights are packed; what is wrong with it.
    """
    shelf = ScoreShelf.of(asked, program, data, keeping)
    known = None if shelf is None else shelf.circuit()
    if known is not None:
        return known, Count(data.n, data.n * _considered(known), 0)
    from causalcircuit.attribution import Means
    from causalcircuit.attribution.precise import halved, precise
    from causalcircuit.runs.attributing import attributed

    ref, loaded = program.models[asked.model], model(asked.model)
    if not keeping.contents.unchanged(ref):
        shelf = None  # its files changed while it was loaded: which of them it has is not known
    half = halved(loaded)
    if half and getattr(loaded.hf.config, "quantization_config", None) is not None:
        raise error(
            "CQ822",
            f"`{asked.model}` calculates in {ref.dtype} with packed weights: its scores would be rounding for the most",
            ref.span,
            help="scores take float32: attribute the model as it was before its weights were packed",
        )
    with precise(loaded) if half else nullcontext():
        made = attributed(asked, ref, loaded, data, program.names, progress, Means(limit, asked.seed, shelf))
    if half and made.origin is not None:
        note = f"scores are those of its weights in {ref.dtype}, calculated in float32"
        trust = made.trust or Trust()
        made = replace(
            made,
            trust=replace(trust, notes=(*trust.notes, note)),
            origin=replace(made.origin, dtype=ref.dtype),
        )
    if made.origin is not None:
        made = replace(made, origin=replace(made.origin, weights=keeping.contents.weights(ref) or ""))
    if shelf is not None:
        shelf.remember(made)
    stored = 0 if shelf is None else shelf.stored
    columns = _considered(made)
    return made, Count(data.n, stored * columns, (data.n - stored) * columns)


def _considered(circuit: Circuit) -> int:
    return 0 if circuit.origin is None else circuit.origin.considered
