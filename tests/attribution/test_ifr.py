"""Information flow routes: what flows is what the readout changes by, it is nowhere lost, and dead wires carry none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from causalcircuit.attribution import Question, Scores, scores
from causalcircuit.attribution.methods.ifr import proximity
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import load as load_model
from causalcircuit.query import FACTUAL, LAST, DataRef, ModelRef
from causalcircuit.query.circuits.routes import place_of
from causalcircuit.rows import load
from tests.attribution.test_wires import model_and_rows, moved
from tests.circuits.samples import site as node
from tests.truth import tiny
from tests.truth.handmade import GAIN, ROWS, WRITE, neuron, shares, write_handmade
from tests.truth.say import M, do, feed, op, read, row
from tests.wires.conftest import doubled

torch.set_num_threads(1)


def test_the_share_of_a_part_is_how_near_it_comes_to_the_sum() -> None:
    parts = torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, -2.0], [0.0, 0.0]])
    whole = parts.sum(0)  # [4, -2], of size 6
    # 6 - (1 + 2), 6 - (3 + 2), 6 - (4 + 0), 6 - (4 + 2)
    assert proximity(parts, whole).tolist() == pytest.approx([3 / 6, 1 / 6, 2 / 6, 0])
    away = torch.tensor([[5.0, 0.0], [-1.0, 0.0]])
    assert proximity(away, away.sum(0)).tolist() == [1.0, 0.0]  # what points away has none
    apart = torch.tensor([[3.0, 0.0], [-2.9, 0.4], [0.0, -0.1]])  # all farther from [0.1, 0.3] than nothing is
    assert proximity(apart, apart.sum(0)).tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert proximity(torch.zeros(2, 3), torch.zeros(3)).tolist() == [0.0, 0.0]


def flows(name: str, factory: pytest.TempPathFactory) -> tuple[Scores, float, Question]:
    with warnings.catch_warnings(action="ignore"), doubled():
        model, data, word = model_and_rows(name, factory)
        question = Question(M, read("logit", word, position=LAST), FACTUAL, moved(model))
        from causalcircuit.engine import execute, make_plan, prepare
        from causalcircuit.query import Cell

        cells = [Cell(question.readout, w) for w in (question.start, question.end)]
        found = execute(prepare(make_plan(cells, data, {M: model.sites}), {M: model}, data)).cells
        change = float((found[cells[1]] - found[cells[0]])[0])
        return scores(model, data, question, "ifr"), change, question


@pytest.mark.parametrize("name", ["gpt2", "llama", "bart", "bert", "gpt_neox", "vision_encoder_decoder"])
def test_what_flows_into_the_readout_is_its_change_and_nothing_is_lost(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found, change, _ = flows(name, tmp_path_factory)
    wiring, table = found.wiring, found.table[0]
    last = [i for i in range(len(wiring)) if wiring.reads[int(wiring.readers[i])] is None]
    assert table[last].sum() == pytest.approx(change, rel=1e-9)
    assert abs(change) > 1e-4
    # What reaches a part's write leaves by what the part reads: by all of its values, or by its input.
    into: dict[object, float] = {}
    out: dict[object, float] = {}
    for i, score in enumerate(table):
        writer, reader = wiring.writes[int(wiring.writers[i])], wiring.reads[int(wiring.readers[i])]
        place = place_of(node(writer.local))
        if place is not None:
            into[place[0]] = into.get(place[0], 0.0) + score
        if reader is not None:
            where = place_of(node(reader.local))
            assert where is not None
            out[where[0]] = out.get(where[0], 0.0) + score
            assert reader.path[-1].name not in ("q", "k") or score == 0
    assert into.keys() == out.keys()
    for place, value in into.items():
        assert out[place] == pytest.approx(value, rel=1e-6, abs=1e-9 * abs(change)), place


def test_shares_on_weights_by_hand(tmp_path_factory: pytest.TempPathFactory) -> None:
    """At END the last stream changes by what head 1 writes, a·h4 + b·h5, and the neuron, w·h7; END itself stays."""
    root = tmp_path_factory.mktemp("flow")
    write_handmade(root / "m")
    data = load(DataRef("d", "jsonl", tiny.write_lines(root / "d.jsonl", ROWS), (("prompt", row("clean")),)))
    data = data.take([i for i, r in enumerate(ROWS) if len(r["clean"].split()) == len(r["corrupt"].split())])
    model = load_model(ModelRef(M, "./m", root / "m", dtype="float64"))
    readout = op(read("logit", "A", position=LAST), "-", read("logit", "B", position=LAST))
    found = scores(model, data, Question(M, readout, FACTUAL, do((feed("input"), row("corrupt")))), "ifr")
    wiring = found.wiring
    ends = {
        (wiring.writes[int(w)].local, "" if wiring.reads[int(r)] is None else wiring.reads[int(r)].local): i  # type: ignore[union-attr]
        for i, (w, r) in enumerate(zip(wiring.writers, wiring.readers, strict=True))
    }
    from scipy.linalg import hadamard

    h = torch.tensor(hadamard(8), dtype=torch.float64)
    kept = [r for r in ROWS if len(r["clean"].split()) == len(r["corrupt"].split())]
    for k, r in enumerate(kept):
        (a0, b0), (a1, b1) = (shares(r[c]) for c in ("clean", "corrupt"))
        head = GAIN * (a1 - a0) * h[4] + GAIN * (b1 - b0) * h[5]
        mlp = WRITE * (neuron(a1, b1) - neuron(a0, b0)) * h[7]
        near = [_near(x, head + mlp) for x in (head, mlp)]
        own = found.table[k, [ends["layer[0].head[1].out", ""], ends["layer[1].mlp.out", ""]]]
        total = found.table[k, [i for (_, end), i in ends.items() if not end]].sum()
        if sum(near):
            np.testing.assert_allclose(own, total * np.array(near) / sum(near), rtol=1e-9)
    dead = [i for (start, _), i in ends.items() if start in ("layer[0].head[0].out", "layer[0].mlp.out")]
    assert (found.table[:, dead] == 0).all()
    assert np.abs(found.table).max() > 0.1


def _near(part: Tensor, whole: Tensor) -> float:
    return max(0.0, float(whole.abs().sum() - (part - whole).abs().sum()))


def test_a_model_with_a_projector_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DiagnosticError) as found:
        flows("llava", tmp_path_factory)
    assert found.value.diagnostics[0].code == "CQ792"
