"""Three ways in, one meaning: Python builds the very nouns that the language reads."""

from dataclasses import replace
from pathlib import Path

import pytest

import causalcircuit as cq
from causalcircuit import E, P, all, do, dot, first, inside, last, logit, mean, norm, pp, query, row, span, token, wire
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Estimation, Query
from causalcircuit.runs import check_text

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """
model gpt2 = hf("./models/ioi")
model cap = hf("./models/captioner")
data d = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names
data s = jsonl("./data/scenes.jsonl") with prefix = "a" cluster row.figure
data parts = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names split 70/30 seed 7
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
node A = cap.decoder.layer[1].cross.head[3].out @ all
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
let kitchen = do(cap.image = row.kitchen)
let office = do(cap.image = row.office)
let corrupt = do(gpt2.input = row.corrupt)
"""


def text_query(expression: str, data: str = "d") -> Query:
    program = check_text(f"{HEAD}\nestimate {expression} on {data}", folder=EXAMPLES)
    (command,) = program.commands
    assert isinstance(command, Estimation)
    return command.queries[0]


gpt2 = cq.model(str(EXAMPLES / "models/ioi"), name="gpt2")
cap = cq.model(str(EXAMPLES / "models/captioner"), name="cap")
path = EXAMPLES / "data/ioi.jsonl"
parts = cq.data(path, name="parts", prompt=row.clean, cluster=row.names, split=(70, 30), seed=7)
NM = gpt2.layer[1].head[3].out @ last
LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
A = cap.decoder.layer[1].cross.head[3].out @ all
W = cap.logit["woman"] @ last - cap.logit["man"] @ last
kitchen = do({cap.image: row.kitchen})
office = do({cap.image: row.office})
corrupt = do({gpt2.input: row.corrupt})
S = gpt2.layer[0].resid @ token(row.subj, number=2)


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("E[LD | do(NM = mean(NM))] - E[LD]", E[LD | do({NM: mean(NM)})] - E[LD]),
        ("E[LD | do(NM = 0)] / E[LD]", E[LD | do({NM: 0})] / E[LD]),
        ("E[LD | corrupt]", E[LD | corrupt]),
        ("E[LD | do(NM = (NM | corrupt))]", E[LD | do({NM: NM | corrupt})]),
        ("E[LD | corrupt, do(NM = (NM | do()))]", E[LD | corrupt, do({NM: NM | do()})]),
        ("E[LD | corrupt, do(NM = 2 * NM - 1)]", E[LD | (corrupt & do({NM: 2 * NM - 1}))]),
        ("E[LD | do(NM = mean(NM, pooled))]", E[LD | do({NM: mean(NM, pooled=True)})]),
        ("E[LD | do(NM = mean(NM, on = parts.train))]", E[LD | do({NM: mean(NM, on=parts.train)})]),
        ("E[LD | do(NM = mean(NM, pooled, on = parts))]", E[LD | do({NM: mean(NM, pooled=True, on=parts)})]),
        ('E[LD | corrupt, row.template = "plain"]', E[LD | corrupt, row.template == "plain"]),
        ('P(LD > 0 | row.template = "plain" and LD < 3)', P(LD > 0, (row.template == "plain") & (LD < 3))),
        ("P(LD > 0 | corrupt)", P((LD > 0) | corrupt)),
        ("P(LD within [-1, 1])", P(LD.within(-1, 1))),
        ("P(not (LD > 0))", P(~(LD > 0))),
        ("E[(LD | corrupt) | LD > 3]", E[(LD | corrupt) | (LD > 3)]),
        ("E[(LD | corrupt) - LD]", E[(LD | corrupt) - LD]),
        ("-E[LD] + 1", -E[LD] + 1),
        ("E[LD]^2", E[LD] ** 2),
        ("E[norm(NM)]", E[norm(NM)]),
        ("E[dot(NM, NM)]", E[dot(NM, NM)]),
        ("E[gpt2.prob[[\" Mary\", \" John\"]] @ last]", E[gpt2.prob[[" Mary", " John"]] @ last]),
        ("E[LD | do(gpt2.layer[0].resid @ token(row.subj, 2) = 0)]", E[LD | do({S: 0})]),
        ("E[LD | do(gpt2.layer[0].mlp.out @ [first, 3] = 0)]", E[LD | do({gpt2.layer[0].mlp.out @ [first, 3]: 0})]),
        ("E[LD | do(gpt2.layer[0].mlp.out @ (first + 1) = 0)]", E[LD | do({gpt2.layer[0].mlp.out @ (first + 1): 0})]),
        ("E[LD | do(gpt2.embed @ span(row.subj, 1) = 0)]", E[LD | do({gpt2.embed @ span(row.subj, number=1): 0})]),
        ("E[LD | do(gpt2.layer[*].head[0].out @ last = 0)]", E[LD | do({gpt2.layer["*"].head[0].out @ last: 0})]),
        (
            "E[LD | do(gpt2.layer[1].head[0, 2].out @ last = mean(gpt2.layer[1].head[0, 2].out @ last))]",
            E[
                LD
                | do({gpt2.layer[1].head[[0, 2]].out @ last: mean(gpt2.layer[1].head[[0, 2]].out @ last)})
            ],
        ),
        ("E[LD | do((NM -> LD) = (NM | corrupt))]", E[LD | do({wire(NM, LD): NM | corrupt})]),
        (
            "E[LD | do((gpt2.embed @ last -> gpt2.layer[1].head[3] @ last) = 0)]",
            E[LD | do({wire(gpt2.embed @ last, gpt2.layer[1].head[3] @ last): 0})],
        ),
        (
            "E[LD | do((gpt2.embed @ all -> gpt2.layer[0].mlp @ all) = 2 * (gpt2.embed @ all))]",
            E[LD | do({wire(gpt2.embed @ all, gpt2.layer[0].mlp @ all): 2 * (gpt2.embed @ all)})],
        ),
    ],
)  # fmt: skip
def test_text_and_python_build_the_same_estimand(text: str, built: cq.Quantity) -> None:
    assert text_query(text).expr == built.expr


def test_mediation() -> None:
    nie = E[W | office, do({A: A | kitchen})] - E[W | office]
    assert text_query("E[W | office, do(A = (A | kitchen))] - E[W | office]", "s").expr == nie.expr
    masked = cap.encoder.out @ inside(row.background_mask)
    built = E[W | kitchen, do({masked: 0})]
    text = "E[W | kitchen, do(cap.encoder.out @ inside(row.background_mask) = 0)]"
    assert text_query(text, "s").expr == built.expr


def test_claims() -> None:
    program = check_text(
        f"{HEAD}\ntest E[LD] > 0.5 logit, P(LD > 0) > 50 pp, E[LD] within [0, 9] on d correct holm", folder=EXAMPLES
    )
    (command,) = program.commands
    assert isinstance(command, query.Testing)
    made = [cq.hypothesis("h", c) for c in (E[LD] > logit(0.5), P(LD > 0) > pp(50), E[LD].within(0, 9))]
    for claim, mine in zip(command.claims, made, strict=True):
        assert replace(claim, name="h", named=True, query=replace(claim.query, name="h")) == mine.claim


def test_a_quantity_has_no_truth_value_of_its_own() -> None:
    with pytest.raises(TypeError, match="value on each row"):
        bool(LD > 0)
    assert gpt2.layer[1].head[3].out @ last == NM


def test_a_comparison_before_a_bar_needs_parentheses() -> None:
    with pytest.raises(TypeError, match="parentheses"):
        P(0 | corrupt < LD)


@pytest.mark.parametrize(
    ("code", "build"),
    [
        ("CQ504", lambda: gpt2.layer[7].resid @ last),
        ("CQ505", lambda: gpt2.layer[0].head[4].out @ last),
        ("CQ506", lambda: gpt2.layer[0].hed[3].out @ last),
        ("CQ506", lambda: gpt2.image),
        ("CQ215", lambda: do({LD: 0})),
        ("CQ214", lambda: E[E[LD]]),
        ("CQ311", lambda: LD - gpt2.prob[row.io] @ last),
        ("CQ227", lambda: cq.hypothesis("h", E[LD] == 3)),
        ("CQ501", lambda: cq.model("./no_such_folder")),
        ("CQ401", lambda: cq.data(EXAMPLES / "data/none.jsonl")),
        ("CQ402", lambda: cq.data(EXAMPLES / "data/ioi.jsonl", prompt=row.cleann)),
        ("CQ410", lambda: cq.data(EXAMPLES / "data/ioi.jsonl", split=(70, 30))),
        ("CQ202", lambda: LD - cq.model(str(EXAMPLES / "models/captioner"), name="gpt2").logit["a"] @ last),
    ],
)
def test_mistakes_are_the_same_diagnostics(code: str, build) -> None:
    with pytest.raises(DiagnosticError) as caught:
        build()
    assert caught.value.diagnostics[0].code == code


def test_what_is_no_question_is_told_in_words() -> None:
    ioi = cq.data(EXAMPLES / "data/ioi.jsonl", prompt=row.clean)
    for wrong in ({"ci": 95}, {"x": "E[LD]"}):
        with pytest.raises(TypeError, match=r"estimands are made of `E\[…\]`.*settings: method"):
            cq.estimate(on=ioi, **wrong)
    for call in (lambda: cq.estimate(E[LD], on="ioi"), lambda: cq.test(E[LD] > cq.logit(0), on=None)):
        with pytest.raises(TypeError, match=r"`on` takes data"):
            call()


def test_what_is_raised_can_be_caught_by_its_public_name() -> None:
    with pytest.raises(cq.DiagnosticError):
        cq.model("./no_such_folder")
    assert issubclass(cq.AfterPass, cq.DiagnosticError)


def test_rules_of_meaning_hold_for_python_too() -> None:
    ioi = cq.data(EXAMPLES / "data/ioi.jsonl", prompt=row.clean)
    cyclic = E[LD | do({gpt2.layer[0].resid @ last: gpt2.layer[1].resid @ last})]
    with pytest.raises(DiagnosticError) as caught:
        cq.estimate(cyclic, on=ioi)
    assert [d.code for d in caught.value.diagnostics] == ["CQ303"]


def test_two_bars_are_refused() -> None:
    with pytest.raises(TypeError, match="two worlds"):
        E[LD | do({NM: 0}) | do({NM: 1})]


def test_chats_folders_and_saved_data_are_the_same_nouns() -> None:
    root = EXAMPLES.parent / "tests" / "fixtures"
    text = """
data asked = jsonl("./data/ioi.jsonl") with chat = [system "Go on.", user [image, row.clean]] where known(row.io)
data raw = jsonl("./data/ioi.jsonl") with prompt = row.clean, chat = none
data shown = jsonl("./data/scenes.jsonl") with image = row.kitchen, chat = [user [row.kitchen, "Who?"], assistant "A"]
data photos = images("./data/photos") cluster row.folder
data pets = datasets("./data/saved", split = "train")
estimate E[1] on asked as population
estimate E[1] on raw as population
estimate E[1] on shown as population
estimate E[1] on photos as population
estimate E[1] on pets as population
"""
    said = [command.data for command in check_text(text, folder=root).commands]
    ioi, scenes = root / "data/ioi.jsonl", root / "data/scenes.jsonl"
    turns = [("system", "Go on."), ("user", [cq.picture, row.clean])]
    assert [
        cq.data(ioi, name="asked", chat=turns, where=cq.known(row.io)).ref,
        cq.data(ioi, name="raw", prompt=row.clean, chat="none").ref,
        cq.data(
            scenes, name="shown", image=row.kitchen, chat=[("user", [row.kitchen, "Who?"]), ("assistant", "A")]
        ).ref,
        cq.data(root / "data/photos", format="images", cluster=row.folder).ref,
        cq.data(root / "data/saved", name="pets", format="datasets", part="train").ref,
    ] == said


@pytest.mark.parametrize(
    ("code", "build"),
    [
        ("CQ466", lambda: cq.data(EXAMPLES / "data/ioi.jsonl", chat=[("usr", "Who?")])),
        ("CQ466", lambda: cq.data(EXAMPLES / "data/ioi.jsonl", chat=[("user", [])])),
        ("CQ466", lambda: cq.data(EXAMPLES / "data/ioi.jsonl", chat=[("user", 3)])),
        ("CQ402", lambda: cq.data(EXAMPLES / "data/ioi.jsonl", chat=[("user", row.question)])),
        ("CQ226", lambda: cq.data(EXAMPLES / "data/scenes")),
        ("CQ461", lambda: cq.data("acme/pets", format="datasets")),
        ("CQ401", lambda: cq.data("./no_such", format="images")),
    ],
)
def test_mistakes_in_data_are_the_same_diagnostics(code: str, build) -> None:
    with pytest.raises(DiagnosticError) as caught:
        build()
    assert [d.code for d in caught.value.diagnostics] == [code]
