"""Claims about circuits where the truth is set: errors at the border of each, power inside, and a model by hand."""

from __future__ import annotations

import numpy as np
import pytest

from causalcircuit.attribution.backups import halves, search_backups
from causalcircuit.attribution.claims import found_of
from causalcircuit.attribution.lab import Lab
from causalcircuit.attribution.passes import Question
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import load as load_model
from causalcircuit.query import ALL, FACTUAL, LAST, Address, DataRef, ModelRef, Site, Text
from causalcircuit.query.circuit import Circuit, CircuitEdge
from causalcircuit.rows import load
from tests.attribution.readings import Readings, claim
from tests.truth.handmade import write_handmade
from tests.truth.say import M, do, feed, op, read, row, site

ALPHA = 0.05


def rate(outcomes: list[bool]) -> float:
    return float(np.mean(outcomes))


def most(n: int) -> float:
    """α and three standard errors of so many simulations."""
    return ALPHA + 3 * float(np.sqrt(ALPHA * (1 - ALPHA) / n))


def test_equivalence_at_its_border() -> None:
    """The circuit reads higher with probability 0.6, the end of the region: seldom supported, seldom refuted."""
    rng = np.random.default_rng(0)
    for clusters in (None, np.repeat(np.arange(40), 5)):
        p: list[tuple[float, float]] = []
        for _ in range(200):
            shift = np.zeros(200) if clusters is None else np.repeat(rng.normal(size=40) * 0.3, 5)
            noise = rng.normal(size=200) * (1.0 if clusters is None else np.sqrt(1 - 0.09))
            higher = shift + noise < 0.2533471  # the 0.6 quantile
            lab = Readings(_two(higher), [0, 1], 2, 200, clusters)
            found = found_of(claim("equivalent"), lab, None, ALPHA)
            assert found.p is not None
            assert found.p_refute is not None
            p.append((found.p, found.p_refute))
        assert rate([a <= ALPHA for a, _ in p]) <= most(200)
        assert rate([b <= ALPHA for _, b in p]) <= most(200)


def _two(higher: np.ndarray):
    """The model reads 0, the circuit alone 1 or -1."""
    return lambda mask: np.zeros(len(higher)) if mask.all() else np.where(higher, 1.0, -1.0)


def test_equivalence_inside_and_outside() -> None:
    rng = np.random.default_rng(0)
    even, uneven = rng.permutation(np.arange(400) < 200), np.arange(400) < 320
    assert found_of(claim("equivalent"), Readings(_two(even), [0, 1], 2, 400), None, ALPHA).p < 1e-4
    found = found_of(claim("equivalent"), Readings(_two(uneven), [0, 1], 2, 400), None, ALPHA)
    assert found.p_refute < 1e-4
    assert found.value == 0.8
    assert found_of(claim("equivalent", negated=True), Readings(_two(uneven), [0, 1], 2, 400), None, ALPHA).p < 1e-4
    whole = found_of(claim("equivalent"), Readings(lambda m: np.ones(30), [0, 1], 2, 30), None, ALPHA)
    assert whole.value == 0.5  # all rows tie
    assert "30 of 30 rows are ties" in whole.notes[1]


def test_sufficiency_at_its_border() -> None:
    """A random circuit is farther with probability 0.9 exactly."""
    rng = np.random.default_rng(0)
    supported, refuted = [], []
    for s in range(600):
        lab = _against(rng, 0.1, once=True)
        found = found_of(claim("sufficient", draws=60), lab, s, ALPHA)
        supported.append(found.p <= ALPHA)
        refuted.append(found.p_refute <= ALPHA)
    assert rate(supported) <= most(600)
    assert rate(refuted) <= most(600)


def _against(rng: np.random.Generator, own: float, once: bool = False) -> Readings:
    """The circuit's distance from the model is `own`, that of any other choice of wires uniform over 0 to 1.

    With `once` so is that of the circuit itself, where it is drawn at random.
    """
    seen: list[bool] = []

    def reading(mask: np.ndarray) -> np.ndarray:
        if mask.all():
            return np.zeros(3)
        if not mask.any():
            return np.ones(3)
        circuit = mask[:2].all() and not mask[2:].any() and not (once and seen)
        if circuit:
            seen.append(True)
        return np.full(3, own if circuit else rng.uniform())

    return Readings(reading, [0, 1], 12, 3)


def test_sufficiency_inside_and_outside() -> None:
    rng = np.random.default_rng(0)
    # One random circuit in twelve is the circuit itself, ties, and is not beaten.
    best = found_of(claim("sufficient", bound=0.7), _against(rng, 0.0), 1, ALPHA)
    assert best.p < 1e-3
    assert "tie with it" in best.notes[1]
    assert found_of(claim("sufficient"), _against(rng, 0.5), 1, ALPHA).p_refute < 1e-6


def test_partial_necessity() -> None:
    """Without the first node nothing is read; without any other only so much less."""

    def reading(mask: np.ndarray) -> np.ndarray:
        return np.full(4, float(mask[0] and mask[1]) * (1 + 0.1 * mask.sum()))

    found = found_of(claim("partially_necessary", bound=0.8), Readings(reading, [0, 1], 20, 4), 3, ALPHA)
    assert found.p < 0.01
    other = found_of(claim("partially_necessary", bound=0.8), Readings(reading, [2, 3], 20, 4), 3, ALPHA)
    assert other.p == pytest.approx(1.0)


def test_minimality_at_its_border() -> None:
    """One wire of the circuit matters more than a random one with probability 0.9 exactly, the other always."""
    rng = np.random.default_rng(0)
    supported = []
    for s in range(300):

        def reading(mask: np.ndarray) -> np.ndarray:
            if not mask.any():
                return np.zeros(2)
            if mask[0] and mask[1]:
                alone = not mask[2:].any()
                return np.full(2, 5.0 if alone or not (mask.sum() % 2) else 5.0 - rng.uniform())
            return np.full(2, 5.0 - (0.9 if mask[0] else 4.0))

        found = found_of(claim("minimal", draws=60), Readings(reading, [0, 1], 6, 2), s, ALPHA)
        supported.append(found.p <= ALPHA)
    assert rate(supported) <= most(300)
    assert rate(supported) > 0  # it can be


def test_minimality_names_the_wires_that_do_not_matter() -> None:
    def reading(mask: np.ndarray) -> np.ndarray:
        return np.full(4, float(mask[0] and mask[1]) + 0.01 * float(mask.sum()))

    found = found_of(claim("minimal"), Readings(reading, [0, 1, 2, 3], 6, 4), 0, ALPHA)
    assert found.p == pytest.approx(1.0)
    assert found.p_refute is not None
    assert "2 of 4 wires are not shown" in found.notes[0]
    assert "embed -> node1, node1 -> readout" in found.notes[0]
    lean = found_of(claim("minimal"), Readings(reading, [0, 1], 6, 4), 0, ALPHA)
    assert lean.p < 0.001
    assert lean.notes == ()
    assert lean.bounds is not None
    assert lean.bounds(ALPHA) == (pytest.approx(0.05 ** (1 / 100)), 1.0)


def test_independence_is_refuted_and_never_supported() -> None:
    rng = np.random.default_rng(0)
    whole, other = rng.normal(size=60), rng.normal(size=60)
    for without, refuted in ((whole**2, True), (other, False)):

        def reading(mask: np.ndarray, without: np.ndarray = without) -> np.ndarray:
            return whole if mask.all() else without

        found = found_of(claim("independent", draws=199), Readings(reading, [0, 1], 3, 60), 1, ALPHA)
        assert found.p is None
        assert found.p_refute is not None
        assert (found.p_refute <= ALPHA) == refuted
    few = Readings(lambda m: np.arange(6.0), [0, 1], 3, 6, np.array([0, 0, 1, 1, 2, 2]))
    with pytest.raises(DiagnosticError, match="6 permutations of clusters") as problem:
        found_of(claim("independent"), few, 1, ALPHA)
    assert problem.value.diagnostics[0].code == "CQ812"


def test_joint_necessity_and_who_takes_over() -> None:
    """Node 0 is read; without it node 1 is, and without both node 2 for half: cut one by one, nothing shows."""
    gain = np.linspace(0.8, 1.2, 40)

    def reading(mask: np.ndarray) -> np.ndarray:
        routes = [mask[2 * i] and mask[2 * i + 1] for i in range(5)]
        return gain * (1.0 if routes[0] or routes[1] else 0.5 * routes[2])

    weight = np.tile([1.0, 3.0], 20)
    lab = Readings(reading, [0, 1], 5, 40, np.repeat(np.arange(20), 2), weight)
    found = found_of(claim("jointly_necessary"), lab, None, ALPHA)
    assert found.value == pytest.approx(1.0)
    assert "without it and node1, node2 0% of the effect are left" in found.notes[0]
    kept, chosen = search_backups(lab, 0.2, halves(lab)[0])
    assert chosen == [2, 3]
    assert (~kept).sum() == 2 + 2
    # Leaving so much that node 2 may stay ends the search earlier.
    assert search_backups(lab, 0.6, halves(lab)[0])[1] == [2]
    enough = Readings(reading, [0, 1, 2, 3, 4, 5], 5, 40)
    done = found_of(claim("jointly_necessary"), enough, None, ALPHA)
    assert done.p is not None
    assert done.p <= ALPHA
    assert done.notes == ()


# ---- the model by hand: its only route is embed -> head 1 of layer 0 -> (neuron of layer 1 ->) readout


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("hand")
    model = load_model(ModelRef(M, "./hand", write_handmade(folder / "model"), dtype="float64"))
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(20):
        n = int(rng.integers(2, 6))
        clean, corrupt = (" ".join([*rng.choice(["A", "B"], n, p=[p, 1 - p]), "END"]) for p in (0.8, 0.2))
        lines.append(f'{{"clean": "{clean}", "corrupt": "{corrupt}"}}')
    (folder / "d.jsonl").write_text("\n".join(lines))
    data = load(DataRef("d", "jsonl", folder / "d.jsonl", (("prompt", row("clean")),)))
    gap = op(read("logit", Text("A"), position=LAST), "-", read("logit", Text("B"), position=LAST))
    return model, data, Question(M, gap, do((feed("input"), row("corrupt"))), FACTUAL)


def drawn(*wires: tuple[str, str | None]) -> Circuit:
    def at(path: str) -> Site:
        return Site(site(path, ALL).address, ALL)

    return Circuit("C", M, tuple(CircuitEdge(at(a), None if b is None else at(b)) for a, b in wires))


HEAD, MLP = "layer[0].head[1].out", "layer[1].mlp.out"
TRUE = (("embed", "layer[0].head[1].v"), (HEAD, "layer[1].mlp.in"), (HEAD, None), (MLP, None))
FALSE = (("embed", "layer[0].head[0].v"), ("layer[0].head[0].out", None), ("embed", "layer[1].mlp.in"), ("embed", None))


def test_the_true_circuit_of_the_model_by_hand(question) -> None:
    model, data, asked = question
    lab = Lab(model, data, asked, drawn(*TRUE))
    assert np.allclose(lab.kept, lab.whole, atol=1e-9)
    assert np.allclose(lab.without, lab.none, atol=1e-9)
    found = found_of(claim("equivalent"), lab, None, ALPHA)
    assert found.value == 0.5
    assert found.p == pytest.approx(0, abs=1e-6)
    for kind in ("sufficient", "minimal"):
        found = found_of(claim(kind, draws=32), lab, 1, ALPHA)
        assert found.p is not None
        assert found.p <= ALPHA, kind
    found = found_of(claim("jointly_necessary"), lab, None, ALPHA)
    assert found.value == pytest.approx(0, abs=1e-9)
    assert found.p <= ALPHA


def test_a_false_circuit_of_the_model_by_hand(question) -> None:
    model, data, asked = question
    lab = Lab(model, data, asked, drawn(*FALSE))
    assert np.allclose(lab.kept, lab.none, atol=1e-9)
    assert found_of(claim("sufficient", draws=32), lab, 1, ALPHA).p_refute <= ALPHA
    found = found_of(claim("jointly_necessary"), lab, None, ALPHA)
    assert found.value == pytest.approx(1, abs=1e-9)
    assert found.p_refute <= ALPHA
    assert "layer[0].head[1].out 0% of the effect are left" in found.notes[0]  # who does it instead
    found = found_of(claim("independent", draws=199), lab, 1, ALPHA)
    assert found.p_refute <= ALPHA


def test_wires_that_are_none(question) -> None:
    model, data, asked = question
    with pytest.raises(DiagnosticError, match="this is none of them") as problem:
        Lab(model, data, asked, drawn(("layer[0].mlp.neuron[1]", None)))
    assert problem.value.diagnostics[0].code == "CQ810"
    with pytest.raises(DiagnosticError, match="has no wire"):
        Lab(model, data, asked, Circuit("C", M))
    placed = CircuitEdge(Site(Address(M, site(HEAD, ALL).address.path), LAST), None)
    with pytest.raises(DiagnosticError, match="stands at some positions"):
        Lab(model, data, asked, Circuit("C", M, (placed,)))
