"""Locks: what they pin, what they tell of rows, what a test under one refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import causalcircuit as cq
from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import Result
from causalcircuit.query.locks import Locked, digest_of
from causalcircuit.runs import Session, check_text
from causalcircuit.runs.contents import Contents
from causalcircuit.runs.execute import Runner
from causalcircuit.runs.locking import hold, key_path, read_lock
from causalcircuit.store import Files

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = [json.loads(line) for line in (EXAMPLES / "data" / "ioi.jsonl").read_text().splitlines()]
HEAD = """
model gpt2 = hf("./model")
data pilot = jsonl("./pilot.jsonl") with prompt = row.clean cluster row.names
data fresh = jsonl("./fresh.jsonl") with prompt = row.clean cluster row.names
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let effect(H) = E[LD | do(H = 0)] - E[LD]
hypothesis knows "It knows" { expect E[LD] > 0 logit }
hypothesis mover { expect effect(NM) < -0.5 logit }
family heads = [knows] then [mover] correct holm alpha 0.05
"""
FREEZE = 'freeze heads on pilot to "./march.lock"\n'
TEST = 'test heads on fresh under "./march.lock"\n'


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES / "models" / "ioi", tmp_path / "model")
    groups = sorted({r["names"] for r in ROWS})
    write(tmp_path / "pilot.jsonl", [r for r in ROWS if r["names"] in groups[:20]])
    write(tmp_path / "fresh.jsonl", [r for r in ROWS if r["names"] in groups[20:50]])
    return tmp_path


def held(folder: Path, text: str, head: str = HEAD) -> list[Locked]:
    """What happens to locks before anything of a program runs; no weights are loaded."""
    return hold(check_text(head + text, "t.cq", folder), Contents(Files()))


def refused(folder: Path, text: str, head: str = HEAD) -> str:
    """The codes and messages of what is refused."""
    with pytest.raises(DiagnosticError) as problem:
        held(folder, text, head)
    assert all(d.span is not None and d.help for d in problem.value.diagnostics)
    return "; ".join(f"{d.code}: {d.message}" for d in problem.value.diagnostics)


def test_a_lock_says_what_was_frozen_and_holds_its_test(folder: Path) -> None:
    [made] = held(folder, FREEZE)
    lock = json.loads((folder / "march.lock").read_text())
    assert (made.written, made.rows, made.digest) == (True, len(set(lock["seen"]["rows"])), lock["sha256"])
    assert lock["sha256"] == digest_of(lock)
    assert [c["name"] for c in lock["family"]["claims"]] == ["knows", "mover"]
    assert [c["stage"] for c in lock["family"]["claims"]] == [1, 2]
    assert lock["data"]["cluster"] == "row.names"
    assert lock["columns"] == ["clean", "io", "subj"]
    assert lock["models"]["gpt2"]["sha256"] == Files().folder(folder / "model")
    assert {"causalcircuit", "torch"} <= set(lock["engine"]["versions"])
    assert stat.S_IMODE(key_path(folder / "march.lock").stat().st_mode) == 0o600
    [confirmed] = held(folder, TEST)
    assert (confirmed.tested, confirmed.digest) == (True, made.digest)
    assert str(folder) not in (folder / "march.lock").read_text()


def test_the_same_freeze_again_changes_no_byte(folder: Path) -> None:
    held(folder, FREEZE)
    before = (folder / "march.lock").read_bytes()
    [again] = held(folder, FREEZE)
    assert not again.written
    assert (folder / "march.lock").read_bytes() == before


def test_a_lock_is_never_written_over(folder: Path) -> None:
    held(folder, FREEZE)
    before = (folder / "march.lock").read_bytes()
    told = refused(folder, FREEZE, HEAD.replace("alpha 0.05", "alpha 0.1"))
    assert told.startswith("CQ931")
    assert "family.alpha was 0.05, is 0.1" in told
    assert "seen" in refused(folder, FREEZE + "estimate E[LD] on fresh\n")  # more was looked at
    assert (folder / "march.lock").read_bytes() == before


# ---- what a lock tells of the rows


def test_a_lock_tells_nothing_of_its_rows(folder: Path) -> None:
    held(folder, FREEZE)
    text = (folder / "march.lock").read_text()
    seen = json.loads(text)["seen"]
    values = {str(v) for r in ROWS for v in r.values() if len(str(v)) > 3}
    assert not [v for v in values if v in text.partition('"seen"')[2]]
    # no digest that can be had without the key: of a cell, of a row, by any of the usual functions
    rows = [json.loads(line) for line in (folder / "pilot.jsonl").read_text().splitlines()]
    guesses = [v for r in rows for v in (*map(str, r.values()), json.dumps(r), json.dumps(r, sort_keys=True))]
    guesses += [json.dumps({k: r[k] for k in ("clean", "io", "subj")}, sort_keys=True) for r in rows]
    digests = [hashlib.blake2b(g.encode(), digest_size=16).hexdigest() for g in guesses]
    digests += [hashlib.sha256(g.encode()).hexdigest()[:32] for g in guesses]
    assert not set(digests) & {*seen["rows"], *seen["clusters"]}
    assert seen["rows"] == sorted(set(seen["rows"]))  # nor their order
    key = key_path(folder / "march.lock").read_text().strip()
    assert key not in text


def test_two_locks_of_the_same_rows_have_nothing_in_common(folder: Path) -> None:
    held(folder, FREEZE + FREEZE.replace("march", "april"))
    one, other = (json.loads((folder / f"{m}.lock").read_text())["seen"] for m in ("march", "april"))
    assert len(one["rows"]) == len(other["rows"])
    assert not set(one["rows"]) & set(other["rows"])


# ---- a lock that was changed


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_a_lock_is_noticed(folder: Path, data: st.DataObject) -> None:
    path = folder / "march.lock"
    if not path.exists():
        held(folder, FREEZE)
        shutil.copy(path, folder / "march.orig")
    text = (folder / "march.orig").read_text()
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from('0a1f",]}x '))
    path.write_text(text[:at] + new + text[at + 1 :])
    try:
        same = json.loads(path.read_text()) == json.loads(text)
    except ValueError:
        same = False
    if same:
        read_lock(path)
        return
    with pytest.raises(DiagnosticError, match=r"CQ93[23]"):
        read_lock(path)


def test_a_lock_that_was_edited_is_refused(folder: Path) -> None:
    held(folder, FREEZE)
    path = folder / "march.lock"
    path.write_text(path.read_text().replace('"alpha": 0.05', '"alpha": 0.1'))
    with pytest.raises(DiagnosticError, match="CQ933"):
        check_text(HEAD.replace("alpha 0.05", "alpha 0.1") + TEST, "t.cq", folder)


def test_what_is_no_lock(folder: Path) -> None:
    told = []
    for content in (None, "", "[1]", "{}", '{"kind": "causalcircuit lock", "format": 2}', '{"a": NaN}', "\udcff"):
        path = folder / "march.lock"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(DiagnosticError) as problem:
            read_lock(path)
        told.append(problem.value.diagnostics[0].code)
    assert told == ["CQ932"] * 7


def test_a_lock_with_a_new_digest_is_told_by_that_digest(folder: Path) -> None:
    """Nothing in a file protects it from whoever can write it: the digest is what is published."""
    [made] = held(folder, FREEZE)
    lock = json.loads((folder / "march.lock").read_text())
    lock["family"]["alpha"] = 0.1
    lock["sha256"] = digest_of(lock)
    (folder / "march.lock").write_text(json.dumps(lock))
    [held_to] = held(folder, TEST, HEAD.replace("alpha 0.05", "alpha 0.1"))
    assert held_to.digest != made.digest


# ---- what changed


CHANGES: list[tuple[str, str, str]] = [
    ("alpha 0.05", "alpha 0.1", "family.alpha was 0.05, is 0.1"),
    ("correct holm", "correct hochberg", "family.correct was holm, is hochberg"),
    ("[knows] then [mover]", "[knows, mover]", "family.claims.mover.stage was 2, is 1"),
    ("< -0.5 logit", "< -0.4 logit", "family.claims.mover.region"),
    ("H = 0)", "H = mean(H))", "family.claims.mover.estimand"),
    ("[knows] then [mover]", "[knows]", "family.claims.mover was there, is nothing"),
    ('"It knows"', '"It guesses"', "family.claims.knows.title"),
    ("fresh.jsonl\") with prompt = row.clean", "fresh.jsonl\") with prompt = row.corrupt", "data.feeds.prompt"),
    ('row.names\nnode NM', 'row.names where row.io != "x"\nnode NM', "data.where was nothing"),
    ("cluster row.names\nnode NM", "\nnode NM", "data.cluster was row.names, is nothing"),
    ('hf("./model")', 'hf("./model") with attention = eager', "models.gpt2.attention was auto, is eager"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), CHANGES, ids=[t for *_, t in CHANGES])
def test_every_change_is_named(folder: Path, old: str, new: str, told: str) -> None:
    assert old in HEAD
    held(folder, FREEZE)
    said = refused(folder, TEST, HEAD.replace(old, new))
    assert said.startswith("CQ934")
    assert told in said


def test_the_estimator_the_rows_and_the_weights_are_pinned(folder: Path) -> None:
    held(folder, FREEZE.replace("\n", " with bootstrap(2000) seed 7 sample 40\n"))
    with_method = TEST.replace("\n", " with bootstrap(2000) seed 7\n")
    n = len((folder / "fresh.jsonl").read_text().splitlines())
    assert f"rows was 40, is {n}" in refused(folder, with_method)
    assert "estimator.seed was 7, is 8" in refused(folder, with_method.replace("seed 7", "seed 8"))
    assert "estimator.method was bootstrap, is default" in refused(folder, TEST)
    sampled = HEAD.replace("row.names\nnode NM", "row.names sample 40 seed 1\nnode NM")
    assert [x.tested for x in held(folder, with_method, sampled)] == [True]
    weights = folder / "model" / "config.json"
    weights.write_text(weights.read_text() + "\n")
    assert "models.gpt2.sha256" in refused(folder, with_method, sampled)


def test_a_stopping_rule_is_pinned(folder: Path) -> None:
    rule = " until decided at most 60 rows seed 7\n"
    held(folder, FREEZE.replace("\n", rule))
    assert [x.tested for x in held(folder, TEST.replace("\n", rule))] == [True]
    assert "estimator.until" in refused(folder, TEST.replace("\n", rule.replace("60", "80")))


def test_what_the_program_alone_tells_is_told_by_the_check(folder: Path) -> None:
    held(folder, FREEZE)
    with pytest.raises(DiagnosticError, match="CQ934"):
        check_text(HEAD.replace("alpha 0.05", "alpha 0.1") + TEST, "t.cq", folder)
    (folder / "march.lock").unlink()
    with pytest.raises(DiagnosticError, match="CQ932"):
        check_text(HEAD + TEST, "t.cq", folder)
    assert check_text(HEAD + FREEZE + TEST, "t.cq", folder).freezes  # it is written when the program runs


# ---- rows that are not new


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


Disguise = Callable[[dict[str, Any]], dict[str, Any]]
DISGUISES: dict[str, Disguise] = {
    "as it was": lambda r: r,
    "another column": lambda r: {**r, "id": 12345},
    "columns in another order": lambda r: dict(reversed(r.items())),
    "another cluster": lambda r: {**r, "names": "nobody"},
    "another unused prompt": lambda r: {**r, "corrupt": "Nobody"},
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_one_old_row_among_new_ones_is_found(folder: Path, disguise: str) -> None:
    held(folder, FREEZE)
    old = DISGUISES[disguise](rows_of(folder, "pilot")[3])
    others = [{**dict.fromkeys(old, 0), **r} for r in rows_of(folder, "fresh")]
    write(folder / "fresh.jsonl", [*others, old])
    said = refused(folder, TEST)
    assert said.startswith("CQ935: 1 of ")


def test_new_rows_of_an_old_cluster_are_not_new(folder: Path) -> None:
    held(folder, FREEZE)
    new, old = rows_of(folder, "fresh"), rows_of(folder, "pilot")
    write(folder / "fresh.jsonl", [*new[1:], {**new[0], "names": old[0]["names"]}])
    said = refused(folder, TEST)
    assert said.startswith("CQ935: 1 of ")
    assert "clusters" in said


def test_every_question_of_the_program_counts_as_a_look(folder: Path) -> None:
    held(folder, FREEZE + "estimate E[LD] on fresh\n")
    assert "CQ935" in refused(folder, TEST)


def test_at_a_prompt_earlier_questions_count(folder: Path) -> None:
    session = Session(folder)
    session.checker.explored.append(
        (check_text(HEAD + "estimate E[LD] on fresh\n", "t", folder).commands[0].data, None)
    )
    assert not session.execute(HEAD).diagnostics
    outcome = session.execute(FREEZE)
    assert outcome.result is not None
    assert outcome.result.locks[0].written
    assert len(json.loads((folder / "march.lock").read_text())["seen"]["data"]) == 2


def test_parts_of_a_split_and_the_key(folder: Path) -> None:
    head = HEAD.replace("cluster row.names\ndata fresh", "cluster row.names split 50/50 seed 7\ndata fresh")
    text = FREEZE.replace("pilot", "pilot.train")
    under = TEST.replace("fresh", "pilot.test")
    assert [x.tested for x in held(folder, text + under, head)] == [False, True]
    assert "CQ935" in refused(folder, TEST.replace("fresh", "pilot.train"), head)
    assert "CQ935" in refused(folder, TEST.replace("fresh", "pilot"), head)
    key = key_path(folder / "march.lock")
    kept = key.read_text()
    for content in (None, "", "00" * 31, "00" * 32, "not hex"):
        key.unlink(missing_ok=True)
        if content is not None:
            key.write_text(content)
        assert "CQ936" in refused(folder, under, head)
    key.write_text(kept)
    assert held(folder, under, head)


# ---- what a run says


def test_in_a_run_under_a_lock_all_else_is_exploratory(folder: Path) -> None:
    runner = Runner()
    try:
        runner.run(check_text(HEAD + FREEZE, "t.cq", folder))
        asked = TEST + "estimate E[LD] on pilot\ntest mover on pilot\nshow E[LD] on pilot\n"
        found = runner.run(check_text(HEAD + asked, "t.cq", folder))
        split = HEAD.replace("cluster row.names\ndata fresh", "cluster row.names split 50/50 seed 7\ndata fresh")
        apart = runner.run(check_text(split + "estimate E[LD] on pilot.train\ntest mover on pilot.test\n", "t", folder))
        both = runner.run(check_text(split + "estimate E[LD] on pilot\ntest mover on pilot.test\n", "t", folder))
    finally:
        runner.close()
    assert [h.standing for h in found.hypotheses] == ["confirmatory", "confirmatory", "exploratory"]
    assert [h.lock for h in found.hypotheses] == ["march.lock", "march.lock", ""]
    assert {e.standing for e in (*found.estimates, *found.shown)} == {"exploratory"}
    assert found.to_json()["hypotheses"][0]["standing"] == "confirmatory"
    assert found.to_json()["locks"][0]["tested"]
    text = cq_text(found)
    assert "confirmatory, under march.lock" in text
    assert "exploratory" in text
    assert found.locks[0].digest in text
    assert [h.standing for h in apart.hypotheses] == ["held out"]
    assert [h.standing for h in both.hypotheses] == [""]


def cq_text(result: Result) -> str:
    from causalcircuit.report import to_text

    return to_text(result, width=100)


def test_python_freezes_and_tests_the_same(folder: Path) -> None:
    gpt2 = cq.model(str(folder / "model"), name="gpt2")
    pilot, fresh = (
        cq.data(folder / f"{n}.jsonl", prompt=cq.row.clean, cluster=cq.row.names) for n in ("pilot", "fresh")
    )
    nm = gpt2.layer[1].head[3].out @ cq.last
    ld = gpt2.logit[cq.row.io] @ cq.last - gpt2.logit[cq.row.subj] @ cq.last
    knows = cq.hypothesis("knows", cq.E[ld] > cq.logit(0), title="It knows")
    mover = cq.hypothesis("mover", cq.E[ld | cq.do({nm: 0})] - cq.E[ld] < cq.logit(-0.5))
    heads = cq.family("heads", knows, then=[mover])
    made = cq.freeze(heads, folder / "python.lock", on=pilot)
    assert made.written
    held(folder, FREEZE)
    one, other = (json.loads((folder / f"{n}.lock").read_text()) for n in ("python", "march"))
    assert one["family"] == other["family"]
    assert one["data"] == other["data"]
    assert one["columns"] == other["columns"]
    found = cq.test(heads, on=fresh, under=folder / "python.lock")
    assert [(h.name, h.verdict, h.standing) for h in found.hypotheses] == [
        ("knows", "supported", "confirmatory"),
        ("mover", "supported", "confirmatory"),
    ]
    for wrong, code in (
        (lambda: cq.test(heads, on=pilot, under=folder / "python.lock"), "CQ935"),
        (lambda: cq.test(heads, on=fresh, under=folder / "python.lock", alpha=0.1), "CQ934"),
        (lambda: cq.test(cq.E[ld] > cq.logit(0), on=fresh, under=folder / "python.lock"), "CQ938"),
        (lambda: cq.test(heads, mover, on=fresh), "CQ228"),
        (lambda: cq.family("f", knows, knows), "CQ202"),
        (lambda: cq.family("f", knows, then=[[]]), "CQ927"),
        (lambda: cq.family("f", knows, then=[mover], correct="bh"), "CQ926"),
        (lambda: cq.freeze(cq.family("f", knows, correct="max_t"), folder / "a.lock", on=pilot), "CQ925"),
    ):
        with pytest.raises(DiagnosticError, match=code):
            wrong()
