"""Integrated gradients over activations: slopes of worlds on the way, and the effect that wires add up to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from causalcircuit.attribution import Question, scores
from causalcircuit.attribution.attribute import Scores
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.engine import execute, make_plan, prepare
from causalcircuit.models import LoadedModel
from causalcircuit.query import (
    ALL,
    FACTUAL,
    LAST,
    Assignment,
    Binary,
    Cell,
    Counterfactual,
    Expr,
    Site,
    Wire,
    World,
)
from causalcircuit.rows import Dataset
from tests.attribution.slopes import STENCIL
from tests.attribution.test_ends import READOUT, Pair, agree, asked, at, end, others, pair, summed  # noqa: F401
from tests.attribution.test_wires import STEPS, model_and_rows, moved
from tests.truth.say import M, op, read, site
from tests.wires.conftest import doubled

torch.set_num_threads(1)
BOUND = 1e-6
METHOD = "eap_ig_activations"
SLOW = ("llama", "bart", "gemma2", "gptj", "bert", "mixtral", "t5", "vision_encoder_decoder")


def beside(table: Scores, source: Site) -> list[Site]:
    """What is written by the same tensor: all heads of a layer, or the node alone."""
    path = source.address.path
    if path[-2:-1] == () or path[-2].name != "head":
        return [source]
    own = [Site(w, ALL) for w in table.wiring.writes if len(w.path) == len(path) and w.path[:-2] == path[:-2]]
    return [s for s in own if s.address.path[-2].name == "head"]


def way(nodes: Sequence[Site], world: World, share: float) -> World:
    """The factual world with some nodes `share` of the way to another one."""
    return World(
        tuple(
            Assignment(
                n,
                op(
                    Counterfactual(n, FACTUAL),
                    "+",
                    op(share, "*", Binary("-", Counterfactual(n, world), Counterfactual(n, FACTUAL))),
                ),
            )
            for n in nodes
        )
    )


def run(model: LoadedModel, data: Dataset, cells: Sequence[Cell]) -> list[np.ndarray]:
    plan = make_plan(list(cells), data, {M: model.sites})
    found = execute(prepare(plan, {M: model}, data)).cells
    return [found[c] for c in cells]


def averaged(pair: Pair, readout: Expr, wire: Wire, nodes: Sequence[Site], world: World, width: float) -> np.ndarray:  # noqa: F811
    """[rows] the mean over the middles of two halves of the readout's slope along a wire, without a gradient."""
    source, cells, weights = wire.source, [], []
    change = Binary("-", Counterfactual(source, world), Counterfactual(source, FACTUAL))
    for share in (0.25, 0.75):
        there = way(nodes, world, share)
        for number, weight in STENCIL:
            value = op(Counterfactual(source, there), "+", op(number * width, "*", change))
            cells.append(Cell(readout, World((*there.assignments, Assignment(wire, value)))))
            weights.append(weight / width / 2)
    found = run(*pair, cells)
    return np.sum([w * f for w, f in zip(weights, found, strict=True)], axis=0)


@pytest.mark.parametrize("name", ["gpt2", "llava", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_scores_are_mean_slopes_on_the_way(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    # GPT-J is watched at work: a softmax of another name would not be seen. It casts to float32 inside.
    own, bound = name == "gptj", 1e-4 if name == "gptj" else BOUND
    with warnings.catch_warnings(action="ignore"), nullcontext() if own else doubled():
        model, data, word = model_and_rows(name, tmp_path_factory)
        readout, there = read("logit", word, position=LAST), moved(model)
        found = scores(model, data, Question(M, readout, FACTUAL, there), METHOD, (2,))
        table, wiring = found.table[0], found.wiring
        kinds: dict[tuple[str, str], int] = {}
        for i in np.random.default_rng(3).permutation(len(table)).tolist():
            source, target = wiring.source(i), wiring.target(i)
            if model.sites.projector and str(source.address) in ("m.embed", "m.projector.out"):
                continue  # as a site `embed` holds what images became; as a node it does not
            ends = tuple("" if s is None else "".join(p.name for p in s.address.path) for s in (source, target))
            kinds.setdefault(ends, i)  # type: ignore[arg-type]
        size = np.abs(table).max()
        assert size > 1e-4
        for i in dict.fromkeys([*kinds.values()]):
            source, target = wiring.source(i), wiring.target(i)
            wire = Wire(source, readout if target is None else target)
            wanted = pytest.approx(table[i], abs=bound * max(size, 1))
            nodes = beside(found, source)
            near = averaged((model, data), readout, wire, nodes, there, STEPS[0])[0]
            if near != wanted:  # the narrower step is for what has kinks
                near = averaged((model, data), readout, wire, nodes, there, STEPS[1])[0]
            assert near == wanted, (str(source.address), str(target))


@pytest.mark.parametrize("answer", [False, True])
def test_the_wires_out_of_a_tensor_add_up_to_what_it_does(pair: Pair, end: World, answer: bool) -> None:  # noqa: F811
    """To 1/m² of their steps; also where a text goes on behind the prompt, whose nodes end with the prompt."""
    model = pair[0]
    readout = read("logprob", " Mary and John", position=LAST) if answer else READOUT
    question = Question(M, readout, FACTUAL, end)
    tensors = [
        [site("embed")],
        [site(f"layer[0].head[{j}].out") for j in range(model.sites.towers[0].heads)],
        [site("layer[0].mlp.out")],
        [site("layer[1].mlp.out")],
    ]
    worlds = [World(tuple(Assignment(s, Counterfactual(s, end)) for s in own)) for own in tensors]
    before, *after = run(*pair, [Cell(readout, w) for w in (FACTUAL, *worlds)])
    gaps = []
    for steps in (2, 8):
        found = scores(*pair, question, METHOD, (steps,))
        own = [sum(found.table[:, found.wiring.writers == found.wiring.writes.index(s.address)].sum(1) for s in t)
               for t in tensors]  # fmt: skip
        gaps.append([np.abs(o - (a - before)).max() for o, a in zip(own, after, strict=True)])
    assert max(np.abs(a - before).max() for a in after) > 1e-2
    for first, last in zip(*gaps, strict=True):
        assert last < max(first / 10, 1e-9)
    # Gradients at `from` alone do not add up to it.
    plain = scores(*pair, question, "eap")
    embed = plain.table[:, plain.wiring.writers == plain.wiring.writes.index(site("embed").address)]
    assert np.abs(embed.sum(1) - (after[0] - before)).max() > 10 * gaps[1][0]


def test_positions_neurons_and_heads_add_up_to_their_whole(pair: Pair, end: World) -> None:  # noqa: F811
    wholes = asked(pair, end, (), METHOD, 2)
    cuts = [at(0), at(4), others(at(0), at(4))]
    heads = [site(f"layer[{i}].head[{j}].out") for i in range(2) for j in range(pair[0].sites.towers[0].heads)]
    mlp = site("layer[0].mlp.out")
    neurons = [Site(site(f"layer[0].mlp.neuron[{k}]").address, ALL) for k in range(pair[0].sites.towers[0].mlp)]
    split = [Site(site("embed").address, p) for p in cuts]
    fine = asked(pair, end, [*split, *heads, *neurons, site("layer[1].mlp.out")], METHOD, 2)

    def rename(s: Site) -> Site:
        return mlp if "neuron" in str(s.address) else s

    found = summed({e: v for e, v in fine.items() if e[1] is None or "neuron" not in str(e[1].address)}, rename)
    agree(found, {e: wholes[e] for e in found}, 1e-11)
    assert len(found) > 40
    reads = summed(
        {e: v for e, v in fine.items() if e[1] is not None and "neuron" in str(e[1].address)},
        lambda s: site("layer[0].mlp.in") if "neuron" in str(s.address) else s,
    )
    agree(reads, {e: wholes[e] for e in reads}, 1e-11)
    assert len(reads) > 3


def test_writes_in_parts_give_the_same(pair: Pair, end: World) -> None:  # noqa: F811
    from causalcircuit.attribution.bench import Bench, Chunk
    from causalcircuit.attribution.methods import METHODS
    from causalcircuit.attribution.passes import Rows

    bench = Bench(Rows(*pair, Question(M, READOUT, FACTUAL, end)))
    whole = METHODS[METHOD](Chunk(bench, range(2)), 2)
    bench.streams.together = 3
    torch.testing.assert_close(METHODS[METHOD](Chunk(bench, range(2)), 2), whole, rtol=0, atol=1e-12)


def test_what_does_not_change_takes_no_pass(pair: Pair) -> None:  # noqa: F811
    """Only what stands behind the changed node is moved."""
    node = site("layer[1].mlp.out")
    world = World((Assignment(node, op(node, "*", 1.5)),))
    found = scores(*pair, Question(M, READOUT, FACTUAL, world), METHOD, (3,))
    assert found.passes == pair[1].n * (3 + 2 * 3)
    assert np.count_nonzero(found.table.any(0)) == 1


def test_nothing_moves_the_readout(pair: Pair, end: World) -> None:  # noqa: F811
    world = World((Assignment(site("layer[1].mlp.out", at(0)), op(site("layer[1].mlp.out", at(0)), "*", 2.0)),))
    with pytest.raises(DiagnosticError, match="CQ785"):
        scores(*pair, Question(M, READOUT, FACTUAL, world), METHOD, (2,))
