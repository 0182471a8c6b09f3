"""Small programs whose answers, or refusals, are known."""

import json
from pathlib import Path

import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.models import load
from causalcircuit.query import Address, Estimate, Part, Result
from causalcircuit.runs import AfterPass, Runner, assembling, check_text

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNER = Runner()
HEAD = """
model gpt2 = hf("./models/ioi")
model cap = hf("./models/captioner")
data d = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names
data i = jsonl("./data/ioi.jsonl") with prompt = row.clean
data s = jsonl("./data/scenes.jsonl") with prefix = "a" cluster row.figure
data long = jsonl("./data/scenes_long.jsonl") with image = row.photo, prefix = "a" cluster row.figure
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
let kitchen = do(cap.image = row.kitchen)
let office = do(cap.image = row.office)
let corrupt = do(gpt2.input = row.corrupt)
"""


def ask(question: str) -> list[Estimate]:
    return list(RUNNER.run(check_text(HEAD + question, "t.cq", EXAMPLES)).estimates)


def value(expression: str, data: str = "d") -> float:
    (e,) = ask(f"estimate {expression} on {data}")
    assert e.value is not None
    return e.value


@pytest.mark.parametrize(
    "zero",
    [
        "E[LD | do(NM = NM)] - E[LD]",
        "E[LD | do(NM = (NM | do()))] - E[LD]",
        "E[LD | corrupt, do(gpt2.embed @ all = (gpt2.embed @ all | do()))] - E[LD]",
        "E[LD | do(NM = (NM | do(NM = (NM | corrupt))))] - E[LD | do(NM = (NM | corrupt))]",
        "E[LD | do(NM = (NM | corrupt), gpt2.layer[1].head[*].out @ all = (gpt2.layer[1].head[*].out @ all | corrupt))]"
        " - E[LD | do(gpt2.layer[1].head[*].out @ all = (gpt2.layer[1].head[*].out @ all | corrupt))]",
    ],
)
def test_identities_hold_exactly(zero: str) -> None:
    assert value(zero) == 0


def test_everything_that_the_readout_reads() -> None:
    """Patching the whole stream before the last norm gives the readout's value in the other world."""
    left = value("E[LD | do(gpt2.layer[1].resid @ last = (gpt2.layer[1].resid @ last | corrupt))]")
    assert left == pytest.approx(value("E[LD | corrupt]"), abs=1e-4)
    whole = "E[W | office, do(cap.encoder.out @ all = (cap.encoder.out @ all | kitchen))]"
    assert value(whole, "s") == pytest.approx(value("E[W | kitchen]", "s"), abs=1e-4)


def test_the_narrower_assignment_wins() -> None:
    wide = "gpt2.layer[0].resid @ all = (gpt2.layer[0].resid @ all | corrupt)"
    narrow = "gpt2.layer[0].resid @ last = (gpt2.layer[0].resid @ last | do())"
    both, order = f"do({wide}, {narrow})", f"do({narrow}, {wide})"
    assert value(f"E[LD | {both}]") == value(f"E[LD | {order}]")
    assert value(f"E[LD | {both}] - E[LD | corrupt]") != 0


def test_background_and_figure_divide_the_image() -> None:
    inside, outside = (f"cap.encoder.embed @ {w}(row.figure_mask)" for w in ("inside", "outside"))
    split = f"E[W | office, do({inside} = ({inside} | kitchen), {outside} = ({outside} | kitchen))]"
    # all patches from the kitchen, the class token from the office: it holds no image
    assert value(split, "s") == pytest.approx(value("E[W | kitchen]", "s"), abs=1e-3)


def test_photos_in_long_form() -> None:
    kitchen, office = (value(f"E[W | row.is_kitchen = {k}]", "long") for k in (1, 0))
    assert kitchen - office > 1


def test_float64_agrees_with_float32() -> None:
    wide = 'model g64 = hf("./models/ioi") with dtype = float64\n'
    (e,) = ask(wide + "estimate E[g64.prob[row.io] @ last] - E[gpt2.prob[row.io] @ last] on d")
    assert e.value != 0
    assert abs(e.value or 0) < 1e-5


def test_a_clustered_probability_stays_a_probability() -> None:
    for expression in ("P(LD > 2)", "E[(LD > 2)]", "P(LD > 0 | do(NM = 0))"):
        (e,) = ask(f"estimate {expression} on d")
        assert e.interval is not None
        assert 0 <= e.interval.low <= e.interval.high <= 1


def test_larger_of_two_estimands() -> None:
    larger, plain = ask("estimate max(E[LD], 0), E[LD] on d")
    assert larger.value == plain.value
    assert larger.interval is not None


@pytest.mark.parametrize(
    ("code", "question"),
    [
        ("CQ405", 'estimate E[LD | row.template = "nothing"] on d'),
        ("CQ511", 'estimate E[gpt2.logit[" Mary went"] @ last] on d'),
        ("CQ509", "estimate E[LD | do(gpt2.layer[0].resid @ 20 = 0)] on d"),
        ("CQ521", 'estimate E[LD | do(gpt2.layer[0].resid @ token("Zebra") = 0)] on d'),
        ("CQ522", "estimate E[LD | do(gpt2.layer[0].resid @ token(row.subj) = 0)] on d"),
        ("CQ527", "estimate E[LD | do(gpt2.layer[0].resid @ all = mean(gpt2.layer[0].resid @ all))] on d"),
        ("CQ305", "estimate E[W] on s"),
        ("CQ308", "estimate E[LD | do(NM = 0), LD > 3] - E[LD | LD > 3] on d"),
        ("CQ603", "estimate E[LD] on d with bootstrap(2000)"),
        ("CQ605", "estimate E[LD] on d with bootstrap(100) seed 1"),
        ("CQ607", "estimate P(LD > 0) on d with wilson"),
    ],
)
def test_refused_before_any_pass(code: str, question: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        ask(question)
    assert not isinstance(caught.value, AfterPass)
    assert code in [d.code for d in caught.value.diagnostics]
    assert all(d.span is not None for d in caught.value.diagnostics)
    assert all(d.help for d in caught.value.diagnostics)


def test_a_condition_that_no_row_meets_after_the_pass() -> None:
    with pytest.raises(AfterPass) as caught:
        ask("estimate E[LD | LD > 1000] on d")
    (d,) = caught.value.diagnostics
    assert d.code == "CQ711"
    assert d.span is not None


def test_an_image_named_by_its_path_lies_beside_the_program() -> None:
    first = Path("data") / "scenes" / "000_kitchen.png"
    here = ask(f'estimate E[W | do(cap.image = "{first}")] on s')[0]
    assert here.value is not None
    (row,) = ask('data one = jsonl("./data/scenes.jsonl") where row.kitchen = "scenes/000_kitchen.png"\n'
                 'estimate E[W | kitchen, do(cap.prefix = "a")] on one')  # fmt: skip
    assert here.value == pytest.approx(row.value, abs=1e-5)


def test_masks_say_how_many_patches_they_hold() -> None:
    place = "cap.encoder.embed @ inside(row.figure_mask)"
    result = RUNNER.run(check_text(HEAD + f"estimate E[W | kitchen, do({place} = 0)] on s", "t.cq", EXAMPLES))
    assert any(d.code == "CQ529" and "patches a row" in d.message for d in result.diagnostics)


def of_columns(folder: Path, question: str, **columns: list[object]) -> Result:
    """The answer to a question of columns alone, no model."""
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    (folder / "d.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return Runner().run(check_text(f'data d = jsonl("./d.jsonl")\n{question}\n', "t.cq", folder))


@pytest.mark.parametrize("cell", [None, ["a"], {"a": 1}])
def test_a_row_without_a_group_is_told_before_the_run(tmp_path: Path, cell: object) -> None:
    with pytest.raises(DiagnosticError, match=r"names no group in row 1: it holds") as caught:
        of_columns(tmp_path, "estimate E[row.x] on d per row.g", x=[1.5, 2, 3, 4], g=["a", cell, "b", "b"])
    assert not isinstance(caught.value, AfterPass)
    assert caught.value.diagnostics[0].code == "CQ404"


def test_large_numbers_keep_groups_apart(tmp_path: Path) -> None:
    found = of_columns(tmp_path, "estimate E[row.x] on d per row.g", x=[1.5, 2, 3, 4], g=[1000001, 1000001, 1000002, 2])
    assert [e.at for e in found.estimates] == [(("row.g", g),) for g in ("2", "1000001", "1000002")]


def test_ctrl_c_while_intervals_are_computed_keeps_answers_and_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = assembling.answered, []

    def interrupted(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(assembling, "answered", interrupted)
    found = of_columns(tmp_path, "estimate E[row.x] on d\nestimate E[row.x] - 1 on d", x=[1.5, 2, 3, 4])
    assert found.interrupted
    assert [e.name for e in found.estimates] == ["E[row.x]"]
    assert found.tables["d"].n == 4


def test_a_question_without_an_answer_costs_no_rows(tmp_path: Path) -> None:
    with pytest.raises(AfterPass) as caught:
        of_columns(tmp_path, "estimate E[row.x], E[1 / row.x] on d", x=[1.5, 0, 3, 4])
    assert caught.value.result is not None
    assert caught.value.result.tables["d"].n == 4


def test_data_of_one_name_from_two_files_are_both_kept(tmp_path: Path) -> None:
    other = tmp_path / "other.cq"
    path = (EXAMPLES / "data" / "scenes.jsonl").as_posix()
    other.write_text(f'data d = jsonl("{path}") cluster row.figure\n')
    result = RUNNER.run(
        check_text(
            f'use "{other.as_posix()}" as a\n' + HEAD + "estimate E[LD] on d\nestimate E[row.cue] on a.d",
            "t.cq",
            EXAMPLES,
        )
    )
    assert sorted(t.n for t in result.tables.values()) == [240, 324]


def test_a_site_that_is_not_proven_is_refused_before_a_pass() -> None:
    program = check_text(HEAD + "estimate E[LD | do(NM = 0)], E[LD] on d", "t.cq", EXAMPLES)
    ref = program.models["gpt2"]
    runner = Runner()
    model = runner.models[ref] = load(ref)
    tensor = model.sites.info(Address("gpt2", (Part("layer", 1), Part("head", 3), Part("out")))).tensor
    model.proof.refused[tensor] = "its tap fires 2 times a pass"
    with pytest.raises(DiagnosticError) as raised:
        runner.run(program)
    assert {d.code for d in raised.value.diagnostics} == {"CQ536"}
    assert "layer[1].head[3].out @ last` does not keep the hook contract: its tap fires 2" in str(raised.value)
    assert tensor not in load(ref).refused
