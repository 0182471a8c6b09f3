"""Text, canonical text and Python say the same; answers average over donors; nothing depends on the way it is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

import causalcircuit as cq
from causalcircuit import E, P, all, do, dot, last, row
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Estimation, Query, render
from causalcircuit.runs import check_text
from causalcircuit.runs.rows import save_rows
from tests.runs.asking import EXAMPLES, RUNNER, ask, value

VECTORS = Path(__file__).parents[1] / "fixtures" / "vectors" / "directions.safetensors"
HEAD = f"""
model gpt2 = hf("./models/ioi")
data d = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names split 70/30 seed 7
node NM = gpt2.layer[1].head[3].out @ last
node S = gpt2.layer[0].resid @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
let V = vector("{VECTORS}", "kind")
draw u per row.template seed 3
draw v outside row.names seed 4 times 5
"""
gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
d = cq.data(EXAMPLES / "data/ioi.jsonl", name="d", prompt=row.clean, cluster=row.names, split=(70, 30), seed=7)
NM, S = gpt2.layer[1].head[3].out @ last, gpt2.layer[0].resid @ last
LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
corrupt = do({gpt2.input: row.corrupt})
V = cq.vector(VECTORS, "kind")
u, v = cq.draw("u", seed=3, per=row.template), cq.draw("v", seed=4, outside=row.names, times=5)
D = cq.direction(S, corrupt, do())

BOTH = [
    ("E[dot(S, direction(S, corrupt, do()))]", E[dot(S, D)]),
    ("E[LD | do(S = S + 2 * unit(direction(S, corrupt, do())))]", E[LD | do({S: S + 2 * cq.unit(D)})]),
    (
        "E[LD | do(S = project_out(S, direction(S, corrupt, do(), pooled, on = d.train)))]",
        E[LD | do({S: cq.project_out(S, cq.direction(S, corrupt, do(), pooled=True, on=d.train))})],
    ),
    ("E[dot(S, pc1(S))]", E[dot(S, cq.pc1(S))]),
    ("E[dot(S, pc1((S | corrupt), pooled, on = d.test))]", E[dot(S, cq.pc1(S | corrupt, pooled=True, on=d.test))]),
    ("E[LD | do(S = S + noise(sd = 0.5, seed = 3))]", E[LD | do({S: S + cq.noise(sd=0.5, seed=3)})]),
    ("E[dot(S, V)]", E[dot(S, V)]),
    ("E[LD | do(NM = (NM | do(row = u)))]", E[LD | do({NM: NM | do({row: u})})]),
    ("P(LD > 0 | do(row = v))", P((LD > 0) | do({row: v}))),
    ("E[LD | do(NM = resample(NM, seed = 3))]", E[LD | do({NM: cq.resample(NM, seed=3)})]),
    (
        "E[LD | do([NM, S] = resample([NM, S], seed = 3, times = 2))]",
        E[LD | do([(NM, cq.resample(NM, seed=3, times=2)), (S, cq.resample(S, seed=3, times=2))])],
    ),
    ("E[LD | do(row = u, NM = (NM | do()))]", E[LD | do({row: u, NM: NM | do()})]),
]  # fmt: skip


def query(text: str) -> Query:
    (command,) = check_text(f"{HEAD}\nestimate {text} on d", folder=EXAMPLES).commands
    assert isinstance(command, Estimation)
    return command.queries[0]


@pytest.mark.parametrize(("text", "built"), BOTH, ids=[t for t, _ in BOTH])
def test_text_and_python_build_the_same(text: str, built: cq.Quantity) -> None:
    assert query(text).expr == built.expr


@pytest.mark.parametrize("text", [t for t, _ in BOTH])
def test_canonical_text_is_read_as_it_was(text: str) -> None:
    made = query(text).expr
    said = render(made).replace('"directions.safetensors"', f'"{VECTORS}"')
    assert query(said).expr == made


def test_python_answers_what_the_text_answers() -> None:
    built = cq.estimate(E[LD | do({NM: NM | do({row: v})})] - E[LD], on=d)
    assert ask_here("E[LD | do(NM = (NM | do(row = v)))] - E[LD]")[0] == pytest.approx(_only(built), rel=1e-12)


def _only(found: object) -> float:
    (e,) = getattr(found, "estimates", (found,))
    assert e.value is not None
    return float(e.value)


def ask_here(*questions: str, options: str = "") -> list[float]:
    result = ask_result(*questions, options=options)
    return [e.value for e in result.estimates]  # type: ignore[misc]


def ask_result(*questions: str, options: str = "", head: str = "") -> object:
    text = f"{HEAD}{head}\nestimate {', '.join(questions)} on d {options}"
    return RUNNER.run(check_text(text, folder=EXAMPLES))


def test_a_row_is_the_mean_of_its_donors(tmp_path: Path) -> None:
    asked = ("E[LD | do(NM = (NM | do(row = v)))]", "P((LD | do(row = v)) > 7)", "E[((LD | do(row = v)) - LD)^2]")
    result = ask_result(*asked)
    table = result.tables["d"]  # type: ignore[attr-defined]
    patched, donors = (next(x for c, x in table.cells.items() if _is(c, k)) for k in ("patched", "donor"))
    natural = next(x for c, x in table.cells.items() if c.world.factual and "io" in render(c.readout))
    other = {k: next(x for c, x in table.cells.items() if _is(c, k, "subj")) for k in ("patched", "donor")}
    plain = natural - next(x for c, x in table.cells.items() if c.world.factual and "subj" in render(c.readout))
    assert patched.shape == (table.n, 5)
    first, second, third = result.estimates  # type: ignore[attr-defined]
    assert first.value == pytest.approx((patched - other["patched"]).mean(), rel=1e-12)
    moved = donors - other["donor"]
    assert second.value == pytest.approx((moved > 7).mean(), rel=1e-12)
    assert third.value == pytest.approx(((moved - plain[:, None]) ** 2).mean(), rel=1e-12)
    assert first.n == table.n
    assert any("5 donors a row are drawn" in line and "held fixed" in line for line in first.assumptions)
    (path,) = save_rows(result, tmp_path)  # type: ignore[arg-type]
    saved = pq.read_table(path).to_pandas()
    several = saved[saved.world.astype(str).str.contains("draw")]
    assert sorted(several.draw.unique()) == [0, 1, 2, 3, 4]
    assert len(several) == 4 * 5 * table.n


def _is(cell: object, kind: str, answer: str = "io") -> bool:
    world, said = cell.world, render(cell.readout)  # type: ignore[attr-defined]
    return f"row.{answer}]" in said and (
        world.donor is not None if kind == "donor" else "draw" in render(world) and world.donor is None
    )


def test_one_draw_is_one_donor() -> None:
    """A draw of one donor and the first of several are drawn alike; the table has no axis for one."""
    result = ask_result("E[LD | do(NM = (NM | do(row = u)))]")
    table = result.tables["d"]  # type: ignore[attr-defined]
    assert {x.ndim for x in table.cells.values()} == {1}


def test_donors_are_other_rows_of_their_template() -> None:
    """With each row's own head output replaced by a donor's of the same answer, the effect is small."""
    same, any_ = ask_here(
        "E[LD | do(NM = resample(NM, seed = 3, per = row.io, outside = row.names))] - E[LD]",
        "E[LD | do(NM = resample(NM, seed = 3))] - E[LD]",
    )
    assert abs(same) < abs(any_) / 2


def test_a_vector_in_bfloat16_is_what_torch_reads(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    exact = torch.randn(64, generator=torch.Generator().manual_seed(1))
    kinds = {"f64": exact.double(), "f32": exact, "f16": exact.half(), "bf16": exact.bfloat16()}
    save_file(kinds, file)
    for name, tensor in kinds.items():
        assert cq.vector(file, name).expr.values == tuple(tensor.double().tolist())  # type: ignore[attr-defined]


def test_another_width_is_told_before_any_pass() -> None:
    with pytest.raises(DiagnosticError) as caught:
        ask_result("E[LD | do(S = S + W)]", head=f'let W = vector("{VECTORS}", "head")\n')
    assert [x.code for x in caught.value.diagnostics] == ["CQ353"]


def test_text_is_written_by_the_donor() -> None:
    """What the captioner writes on a donor is what it writes on that row."""
    cap = "node T = cap.text(tokens = 4)\ndraw u seed 3\n"
    result = ask(f'{cap}estimate P((T | kitchen, do(row = u)) mentions "a"), P((T | kitchen) mentions "a") on s')
    table = result.tables["s"]
    donor, own = (
        next(x for c, x in table.cells.items() if (c.world.donor is None) == plain) for plain in (False, True)
    )
    assert set(donor) <= set(own)
    assert (np.asarray(donor) != np.asarray(own)).any()


def test_steering_generated_text_runs() -> None:
    text = """node B = cap.decoder.layer[1].resid @ [last, new]
let way = direction(cap.decoder.layer[1].resid @ last, kitchen, office)
let noisy = do(B = B + noise(sd = 0.1, seed = 1))
estimate P((cap.text(tokens = 3) | kitchen, do(B = project_out(B, way))) mentions "kitchen") on s
estimate P((cap.text(tokens = 3) | kitchen, noisy) mentions "a") on s"""
    assert len(ask(text).estimates) == 2


def test_a_wire_carries_a_donor() -> None:
    """What a head of the last layer writes is read by the MLP and by the stream that leaves: by both, it is all."""
    wires = ", ".join(f"(NM -> gpt2.layer[1].{end} @ last) = (NM | do(row = u))" for end in ("mlp", "resid"))
    wired, whole = ask_here(f"E[LD | do({wires})]", "E[LD | do(NM = (NM | do(row = u)))]")
    assert wired == pytest.approx(whole, abs=1e-4)
    assert value("E[LD]") != pytest.approx(whole, abs=1e-3)
    assert all is cq.all
