"""Faithfulness of wires whose ends stand at positions: against arithmetic by hand, and worlds of the language."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from causalcircuit.attribution import Question, scores
from causalcircuit.attribution.bench import Bench
from causalcircuit.attribution.kept import readouts
from causalcircuit.attribution.passes import Rows
from causalcircuit.attribution.trust_curve import faithfulness, sizes_of
from causalcircuit.attribution.trust_subject import Subject
from causalcircuit.check import check_text
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import LoadedModel
from causalcircuit.query import (
    ALL,
    FACTUAL,
    LAST,
    Assignment,
    Cell,
    Counterfactual,
    Expr,
    Position,
    Site,
    Wire,
    World,
    render,
    world_of,
)
from causalcircuit.query.circuits.formulas import Method
from causalcircuit.rows import Dataset
from causalcircuit.runs import run_program
from tests.attribution.test_ends import at, patch
from tests.attribution.test_kept import BOUND, ask, by_group
from tests.attribution.test_wires import model_and_rows, moved
from tests.truth.say import M, read, row, site
from tests.wires.conftest import Pair, doubled, doubles, gpt2, llama  # noqa: F401  fixtures

torch.set_num_threads(1)
EAP = Method("eap")
EXAMPLES = Path(__file__).parents[2] / "examples"


def subject_of(
    model: LoadedModel, data: Dataset, question: Question, over: Sequence[Site], method: Method = EAP
) -> Subject:
    found = scores(model, data, question, method.name, method.arguments, over=over)
    assert found.wiring.fine
    return Subject(model, data, question, method, tuple(over), found)


def without(subject: Subject, gone: Sequence[int], readout: Expr, start: World, end: World) -> World:
    """`do((A @ p -> B @ q) = (A @ p | from), …)` in `to`, for some of the wires."""
    wiring, made = subject.found.wiring, list(end.assignments)
    for i in gone:
        source, target = wiring.source(i), wiring.target(i)
        made.append(Assignment(Wire(source, readout if target is None else target), Counterfactual(source, start)))
    return world_of(made)


def outcomes(subject: Subject, kept: Sequence[int]) -> tuple[list[np.ndarray], list[int]]:
    """[rows] readouts with each of a curve's choices, and how many wires each keeps."""
    sizes = sizes_of(subject, kept, whole=True)
    bench = Bench(Rows(subject.model, subject.data, subject.question), quick=False)
    assert sizes.placed is not None
    sizes.placed.check_apart(bench)
    return list(readouts(bench, sizes.masks)[0].numpy()), list(sizes.sizes)


CUTS = [[at(0), at(3), LAST], [Position("list", parts=(at(1), at(2))), LAST], [ALL, at(1)]]
"""Positions of nodes; in the last case some stand at all, and others at one."""


@pytest.mark.parametrize("which", ["gpt2", "llama"])
@pytest.mark.parametrize("cut", range(len(CUTS)))
def test_against_arithmetic_by_hand(which: str, cut: int, request: pytest.FixtureRequest) -> None:
    pair: Pair = request.getfixturevalue(which)
    names = ("embed", "layer[0].head[1].out", "layer[0].mlp.out", "layer[1].head[0].out", "layer[1].mlp.out")
    places = CUTS[cut]
    if cut == 2:
        over = [site(n, places[i % 2]) for i, n in enumerate(names)]
    else:
        over = [site(n, p) for n in names for p in places]
    readout, start = read("logit", row("answer"), position=LAST), moved(pair.model)
    subject = subject_of(pair.model, pair.data, Question(M, readout, start, FACTUAL), over)
    kept = subject.order[:5].tolist()
    found, sizes = outcomes(subject, kept)
    for mine, size in zip(found, sizes, strict=True):
        gone = sorted(set(range(len(subject.chosen))) - set(subject.order[:size].tolist()))
        truth = pair.truth(Cell(readout, by_group(without(subject, gone, readout, start, FACTUAL))))
        np.testing.assert_allclose(mine, truth, rtol=0, atol=BOUND)
    assert len({round(float(f[0]), 9) for f in found}) >= 4
    point, _ = faithfulness(subject, sizes_of(subject, kept, whole=False), [0])  # one row has no interval
    s = np.array([f[0] for f in found])
    assert point is not None
    for p in point:
        assert p.faithful == pytest.approx((s[sizes.index(p.size)] - s[0]) / (s[-1] - s[0]), abs=1e-8)


@pytest.mark.parametrize("name", ["vision_encoder_decoder", "mixtral"])
def test_patches_and_places_against_the_language(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with warnings.catch_warnings(action="ignore"), doubled():
        model, data, word = model_and_rows(name, tmp_path_factory)
        readout, start = read("logit", word, position=LAST), moved(model)
        if name == "mixtral":
            places, nodes = (at(0), at(2)), ("embed", "layer[0].mlp.out", "layer[1].head[1].out", "layer[2].mlp.out")
            over = [site(n, p) for n in nodes for p in places] + [site("layer[2].head[0].out", LAST)]
        else:
            places, nodes = (patch(0), patch(2)), ("encoder.embed", "encoder.layer[0].mlp.out")
            over = [site(n, p) for n in nodes for p in places]
            over += [site(f"decoder.{n}", LAST) for n in ("embed", "layer[0].cross.head[1].out", "layer[1].mlp.out")]
        subject = subject_of(model, data, Question(M, readout, start, FACTUAL), over)
        placed = sizes_of(subject, [0], whole=False).placed
        assert placed is not None
        gones, worlds = zip(*(_cut(subject, places, readout, start, seed) for seed in range(3)), strict=True)
        masks = [placed.choice(sorted(set(range(len(subject.chosen))) - set(gone))) for gone in gones]
        bench = Bench(Rows(model, data, subject.question), quick=False)
        placed.check_apart(bench)
        found, _ = readouts(bench, masks)
        truth = ask(model, data, [Cell(readout, w) for w in worlds])
        (plain,) = ask(model, data, [Cell(readout, FACTUAL)])
    for mine, theirs in zip(found.numpy(), truth, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=BOUND)
        assert np.abs(theirs - plain).min() > 1e-6


def _cut(
    subject: Subject, places: Sequence[Position], readout: Expr, start: World, seed: int
) -> tuple[list[int], World]:
    """Some wires that are left out, and the world without them: the language has one position for what a read takes."""
    draw, wiring = np.random.default_rng(seed), subject.found.wiring
    alike: dict[tuple[str, str], dict[Position, int]] = {}
    for i in range(len(wiring)):
        both = wiring.source(i), wiring.target(i)
        alike.setdefault((str(both[0].address), str(both[1] and both[1].address)), {})[both[0].position] = i
    reads = sorted({read for _, read in alike})
    at_read = {
        r: [(p,) for p in places][k] if k < 2 else tuple(places)
        for r, k in zip(reads, draw.permutation(len(reads)) % 3, strict=True)
    }
    gone: list[int] = []
    made: list[Assignment] = []
    for k in draw.permutation(len(alike))[:10]:
        (_, read), own = list(alike.items())[k]
        some = [p for p in (at_read[read] if places[0] in own else own) if p in own]
        gone += [own[p] for p in some]
        source, target = wiring.source(gone[-1]), wiring.target(gone[-1])
        if len(some) > 1:  # read where it is written
            several = Position("list", parts=tuple(some))
            source, target = replace(source, position=several), target and replace(target, position=several)
        made.append(Assignment(Wire(source, target or readout), Counterfactual(source, start)))
    return gone, world_of(made)


@pytest.mark.parametrize("place", [LAST, ALL], ids=str)
def test_an_attention_as_a_whole_is_its_heads(gpt2: Pair, place: Position) -> None:  # noqa: F811  a fixture
    readout, start = read("logit", row("answer"), position=LAST), moved(gpt2.model)
    over = [site("embed", LAST), site("layer[0].attn.out", place), site("layer[1].mlp.out", LAST)]
    subject = subject_of(gpt2.model, gpt2.data, Question(M, readout, start, FACTUAL), over)
    found, sizes = outcomes(subject, [0, 1])
    assert len(subject.chosen) == 14
    for mine, size in zip(found, sizes, strict=True):
        gone = subject.order[size:].tolist() if size != 2 else list(range(2, 14))
        truth = gpt2.truth(Cell(readout, by_group(without(subject, gone, readout, start, FACTUAL))))
        np.testing.assert_allclose(mine, truth, rtol=0, atol=BOUND)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ([site("embed", LAST), site("layer[0].mlp.neuron[3]")], "no wire of a whole part"),
        ([site("embed", LAST), site("embed", ALL), site("layer[0].mlp.out")], "`m.embed @ last` and `m.embed @ all`"),
        ([site("embed", at(10)), site("embed", LAST)], "`m.embed @ 10` and `m.embed @ last`"),
        ([site("embed"), site("layer[0].mlp.out", at(10)), site("layer[0].mlp.out", LAST)], "overlap"),
    ],
    ids=["neuron", "all", "the same place in one row", "reads"],
)
def test_what_is_not_kept_by_sums_at_places(gpt2: Pair, over: list[Site], said: str) -> None:  # noqa: F811
    question = Question(M, read("logit", row("answer"), position=LAST), moved(gpt2.model), FACTUAL)
    subject = subject_of(gpt2.model, gpt2.data, question, over)
    with pytest.raises(DiagnosticError) as caught:
        faithfulness(subject, sizes_of(subject, [0], whole=False), range(gpt2.data.n))
    assert caught.value.diagnostics[0].code == "CQ795"
    assert said in caught.value.diagnostics[0].message


TEXT = """
model m = hf("./models/ioi") with dtype = float64
data  ioi = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 30 seed 3
node LD = m.logit[row.io] @ last - m.logit[row.subj] @ last
let corrupt = do(m.input = row.corrupt)
"""
ASKED = """
circuit C = attribute(LD, over = [m.layer[0].head[0].out @ last, m.layer[0].head[2].out @ last,
    m.layer[0].mlp.out @ last, m.layer[1].head[3].out @ last], from = corrupt, method = eap, keep = {} edges) on ioi
show C
"""


def test_the_report_says_what_the_language_says() -> None:
    (few,), (every,) = (
        run_program(check_text(TEXT + ASKED.format(n), folder=EXAMPLES), keep="off").circuits[0].circuits
        for n in (3, 15)
    )
    assert few.trust is not None
    point = next(p for p in few.trust.curve if p.size == 3)
    kept = {(e.source, e.target) for e in few.edges}
    ends = [(e.source, e.target) for e in every.edges]

    def world(wires: Sequence[tuple[Site, Site | None]]) -> str:
        made = [f"({render(a)} -> {'LD' if b is None else render(b)}) = ({render(a)} | corrupt)" for a, b in wires]
        return f"E[LD | do({', '.join(made)})]"

    text = f"""{TEXT}
let none = {world(ends)}
let kept = {world([e for e in ends if e not in kept])}
estimate (kept - none) / (E[LD] - none) on ioi
"""
    found = run_program(check_text(text, folder=EXAMPLES), keep="off").estimates[0].value
    assert point.faithful == pytest.approx(found, abs=1e-8)
    assert few.trust.cpr is not None
