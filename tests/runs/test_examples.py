"""The programs of examples/, end to end, and what their answers say."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import causalcircuit as cq
from causalcircuit import E, do, last, mean, row
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result
from causalcircuit.runs import AfterPass, Runner, Session, check, check_text, save_rows

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNER = Runner()


def run_file(name: str, **kwargs) -> Result:
    return RUNNER.run(check(EXAMPLES / name), **kwargs)


def run_text(text: str) -> Result:
    return RUNNER.run(check_text(text, folder=EXAMPLES))


IOI = """
model gpt2 = hf("./models/ioi")
data ioi = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names split 70/30 seed 7
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let ate = E[LD | do(NM = mean(NM))] - E[LD]
"""


@pytest.fixture(scope="module")
def mediation() -> Result:
    return run_file("mediation.cq")


def test_the_kitchen_says_woman_and_mostly_through_one_head(mediation: Result) -> None:
    total, nie = mediation.estimates[0], mediation.estimates[1]
    assert (total.name, nie.name) == ("total", "nie")
    assert total.value is not None
    assert nie.value is not None
    assert 2.5 < total.value < 4.6
    assert total.unit == "logit"
    assert nie.value / total.value > 0.3
    share = mediation["nie / total"]
    assert share.unit == "ratio"
    assert share.value == pytest.approx(nie.value / total.value, rel=1e-12)
    for e in mediation.estimates:
        assert e.interval is not None
        assert e.value is not None
        assert e.interval.low < e.value < e.interval.high


def test_groups_say_where_they_are(mediation: Result) -> None:
    groups = [e for e in mediation.estimates if e.at]
    assert [dict(e.at) for e in groups] == [{"row.gender": "man"}, {"row.gender": "woman"}]
    total = mediation.estimates[0]
    assert sum(e.n for e in groups) == total.n
    weighted = sum(e.value * e.n for e in groups if e.value is not None) / total.n
    assert weighted == pytest.approx(total.value, rel=1e-9)


def test_json_is_as_promised(mediation: Result) -> None:
    out = json.loads(json.dumps(mediation.to_json(), allow_nan=False))
    assert out["schema"] == 1
    first = out["estimates"][0]
    assert {"name", "value", "interval", "level", "unit", "n", "clusters", "regime", "estimand"} <= set(first)
    assert first["level"] == 0.95
    assert first["regime"] == "intervention"
    assert first["estimand"].startswith("E[cap.logit")
    assert out["estimates"][3]["at"] == {"row.gender": "man"}


def test_the_name_mover_and_the_idle_head() -> None:
    result = run_file("claims.cq", tests_only=True)
    assert result.holds
    assert [h.verdict for h in result.hypotheses if h.named] == ["supported", "supported"]
    sweep = [h for h in result.hypotheses if not h.named]
    assert len(sweep) == 8
    assert sweep[7].at == (("H", "gpt2.layer[1].head[3].out @ last"),)
    assert sweep[7].verdict == "supported"
    assert sweep[7].value == result["name_mover"].value


def test_interchange_finds_where_the_name_is_read() -> None:
    result = run_file("interchange.cq")
    assert result["total"].value < -2
    # base and source differ at the second mention only: all of the effect passes its embedding
    assert result["via(S0) / total"].value == pytest.approx(1, abs=1e-5)
    assert result["via(S1) / total"].value + result["via(END) / total"].value == pytest.approx(1, abs=0.25)


def test_python_gives_the_numbers_of_the_file() -> None:
    from_file = run_file("ioi.cq")["ate"]
    gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
    ioi = cq.data(EXAMPLES / "data/ioi.jsonl", prompt=row.clean, cluster=row.names, split=(70, 30), seed=7)
    mover = gpt2.layer[1].head[3].out @ last
    diff = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
    ate = E[diff | do({mover: mean(mover)})] - E[diff]
    result = cq.estimate(ate=ate, on=ioi, method="bootstrap", resamples=2000, seed=7)
    mine = result["ate"]
    assert (mine.value, mine.interval, mine.estimand) == (from_file.value, from_file.interval, from_file.estimand)
    frame = result.to_pandas()
    assert list(frame["name"]) == ["ate"]
    assert frame["value"][0] == mine.value


def test_runs_repeat_bit_for_bit() -> None:
    one, two = (run_file("ioi.cq") for _ in range(2))
    assert one["ate"] == two["ate"]
    for cell, values in one.tables["ioi"].cells.items():
        assert np.array_equal(values, two.tables["ioi"].cells[cell])


def test_rows_are_written_as_computed(tmp_path: Path) -> None:
    result = run_file("ioi.cq")
    (path,) = save_rows(result, tmp_path / "out")
    table = pq.read_table(path).to_pandas()
    assert list(table.columns) == ["row", "cluster", "world", "draw", "readout", "value", "text"]
    assert table["value"].dtype == np.float64
    ablated = "do(gpt2.layer[1].head[3].out @ last = mean(gpt2.layer[1].head[3].out @ last))"
    assert set(table["world"]) == {"do()", ablated}
    wide = table.pivot_table(index="row", columns=["world", "readout"], values="value", observed=True)
    io, subj = "gpt2.logit[row.io] @ last", "gpt2.logit[row.subj] @ last"
    effect = (wide[ablated][io] - wide[ablated][subj] - wide["do()"][io] + wide["do()"][subj]).mean()
    assert effect == pytest.approx(result["ate"].value, rel=1e-12)


def test_parts_of_a_split_share_no_cluster() -> None:
    result = run_text(IOI + "estimate E[LD] on ioi.train\nestimate E[LD] on ioi.test")
    train, test = result.tables["ioi.train"], result.tables["ioi.test"]
    assert not set(train.cluster) & set(test.cluster)
    assert train.n + test.n == run_text(IOI + "estimate E[LD] on ioi").tables["ioi"].n


def test_references_are_taken_over_all_rows_before_groups() -> None:
    result = run_text(
        IOI + "estimate E[LD | do(NM = mean(NM))] on ioi per row.template\nestimate E[LD | do(NM = mean(NM))] on ioi"
    )
    *groups, whole = result.estimates
    assert sum(g.value * g.n for g in groups) / whole.n == pytest.approx(whole.value, rel=1e-9)


def test_a_population_has_no_interval() -> None:
    result = run_text(IOI + "estimate ate on ioi as population")
    (e,) = result.estimates
    assert e.interval is None
    assert "these rows" in e.target


def test_a_ratio_over_nothing_is_undefined() -> None:
    result = run_text(IOI + "estimate ate / (E[LD | do(NM = NM)] - E[LD]) on ioi")
    (e,) = result.estimates
    assert e.value is None
    assert e.interval is None
    assert e.reason


def test_a_wrong_spelling_is_seen_after_the_pass() -> None:
    text = IOI + 'data bare = jsonl("./data/ioi_bare.jsonl") with prompt = row.clean\n'
    with pytest.raises(DiagnosticError) as missing:
        run_text(text + "estimate E[LD] on bare")
    assert not isinstance(missing.value, AfterPass)
    mary = IOI.replace("row.io", '"Mary"')
    plain = mary.replace("cluster row.names split", 'cluster row.names where row.io = " Mary" split')
    with pytest.raises(AfterPass) as caught:
        run_text(plain + 'estimate E[gpt2.prob["Mary"] @ last] on ioi')
    assert '" Mary"' in caught.value.diagnostics[0].message + " ".join(caught.value.diagnostics[0].help)


def test_ctrl_c_keeps_what_is_done() -> None:
    seen = []

    def stop(done: int, total: int, what: str) -> None:
        seen.append((done, total))
        if done >= total / 2:
            raise KeyboardInterrupt

    result = Runner().run(check(EXAMPLES / "mediation.cq"), progress=stop)
    assert result.interrupted
    assert seen
    table = result.tables.get("scenes")
    if table is not None:
        assert 0 < table.n < 240
        assert result.estimates


def test_a_session_remembers() -> None:
    session = Session(EXAMPLES)
    assert session.load(EXAMPLES / "ioi.cq").result is not None
    outcome = session.execute("let twice = 2 * ate")
    assert outcome.declared == ("twice",)
    asked = session.execute("estimate twice, ate on ioi").result
    assert asked is not None
    assert asked["twice"].value == pytest.approx(2 * asked["ate"].value)
    wrong = session.execute("estimate twise on ioi")
    assert [d.code for d in wrong.diagnostics] == ["CQ201"]
    again = session.execute("let twice = 3 * ate")
    assert again.declared == ("twice",)
    assert session.names()["twice"] == "an estimand"


def test_a_session_may_download_what_its_reader_allowed() -> None:
    assert Session(EXAMPLES).checker.online == ""
    assert Session(EXAMPLES, online="all").checker.online == "all"
