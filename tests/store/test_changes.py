"""What an outcome rests on, piece by piece: a change of it misses, a change of anything else hits."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import causalcircuit.rows as rows
from causalcircuit.check import queries_of, sites
from causalcircuit.engine.plan import make_plan
from causalcircuit.query import Program, SiteTable
from causalcircuit.runs import check_text
from causalcircuit.runs.contents import Contents, Unkeepable
from causalcircuit.runs.keys import Keys
from causalcircuit.store import Files, Ledger
from tests.store.conftest import EXAMPLES, HEAD

QUESTION = "estimate E[LD | do(NM = 0)], E[LD | do(NM = mean(NM))] on d ci 95%\n"
PICTURED = """
model cap = hf("./models/captioner")
data s = jsonl("./scenes.jsonl") with prefix = "a"
estimate E[cap.logit["woman"] @ last | do(cap.image = row.kitchen)] on s ci 95%
"""


def places(folder: Path, text: str = HEAD + QUESTION, ledger: Ledger | None = None) -> list[tuple[bytes, bytes]]:
    """The keys of all cells of a program's first question, each with the digests of its rows."""
    program = check_text(text, "t.cq", folder)
    command = program.commands[0]
    data = rows.load(command.data)
    plan = make_plan([q.expr for q in queries_of(command)], data, _sites(program))
    keys = Keys(data, program.models, Contents(Files(ledger)), b"setting")
    return [keys.item("cell", (f,)) for f in plan.formulas]


def _sites(program: Program) -> dict[str, SiteTable]:
    return {name: sites(ref) for name, ref in program.models.items()}


def known(before: list[tuple[bytes, bytes]], after: list[tuple[bytes, bytes]]) -> float:
    """The share of outcomes that an earlier run has."""
    kept = {(k, r[i : i + 16]) for k, r in before for i in range(0, len(r), 16)}
    asked = [(k, r[i : i + 16]) for k, r in after for i in range(0, len(r), 16)]
    return sum(a in kept for a in asked) / len(asked)


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("gpt2", "other"),
        lambda t: t.replace("data d ", "data rows ").replace("on d", "on rows"),
        lambda t: t.replace("NM", "Mover").replace("LD", "Difference"),
        lambda t: "\n# a remark\n\n" + t.replace("ci 95%", "ci 80%"),
        lambda t: t.replace(" cluster row.names", ""),
    ],
    ids=["model", "data", "nodes", "layout", "cluster"],
)
def test_names_and_places_do_not_matter(folder: Path, change: Callable[[str], str]) -> None:
    assert known(places(folder), places(folder, change(HEAD + QUESTION))) == 1


def test_a_model_that_moved_is_the_same(folder: Path) -> None:
    before = places(folder)
    (folder / "models" / "ioi").rename(folder / "elsewhere")
    (folder / "elsewhere" / "README.md").write_text("a note")
    assert known(before, places(folder, (HEAD + QUESTION).replace("./models/ioi", "./elsewhere"))) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace('hf("./models/ioi")', 'hf("./models/ioi") with dtype = float64'),
        lambda t: t.replace('hf("./models/ioi")', 'hf("./models/ioi") with attention = eager'),
        lambda t: t.replace("prompt = row.clean", "prompt = row.corrupt"),
        lambda t: t.replace("head[3]", "head[2]").replace("row.io", "row.subj"),
    ],
    ids=["dtype", "attention", "feed", "question"],
)
def test_settings_and_questions_matter(folder: Path, change: Callable[[str], str]) -> None:
    assert known(places(folder), places(folder, change(HEAD + QUESTION))) == 0


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"])
def test_a_byte_of_a_model_matters(folder: Path, ledger: Ledger, name: str) -> None:
    before = places(folder, ledger=ledger)
    path = folder / "models" / "ioi" / name
    status, content = path.stat(), bytearray(path.read_bytes())
    if name.endswith(".json"):
        content += b" "
    else:
        content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a restored backup would have it
    assert known(before, places(folder, ledger=ledger)) == 0


def test_a_changed_row_misses_alone_where_no_reference_reads_it(folder: Path) -> None:
    before = places(folder)

    def change(text: str) -> str:
        lines = text.splitlines()
        row = json.loads(lines[4])
        return "\n".join([*lines[:4], json.dumps({**row, "clean": row["corrupt"]}), *lines[5:]]) + "\n"

    edit(folder / "rows.jsonl", change)
    after = places(folder)
    shares = [known([a], [b]) for a, b in zip(before, after, strict=True)]
    assert sorted(set(shares)) == [0, 11 / 12]  # cells of mean(NM) rest on all rows, others on their own
    assert shares.count(0) == 2


def test_columns_that_nothing_reads_do_not_matter(folder: Path) -> None:
    before = places(folder)
    edit(folder / "rows.jsonl", lambda t: t.replace('"template": "', '"more": 1, "template": "x'))
    assert known(before, places(folder)) == 1


def test_rows_may_change_places(folder: Path) -> None:
    text = HEAD + "estimate E[LD | do(NM = 0)] on d ci 95%\n"
    before = places(folder, text)
    edit(folder / "rows.jsonl", lambda t: "\n".join(reversed(t.splitlines())) + "\n")
    assert known(before, places(folder, text)) == 1


def test_equal_rows_are_told_apart(folder: Path) -> None:
    edit(folder / "rows.jsonl", lambda t: t + t)
    _, digests = places(folder, HEAD + "estimate E[LD] on d ci 95%\n")[0]
    assert len({digests[i : i + 16] for i in range(0, len(digests), 16)}) == 24


def test_drawn_texts_belong_to_the_number_of_their_row(folder: Path) -> None:
    drawn = 'estimate P(gpt2.text(tokens = 2, temperature = 1, seed = 3) mentions "a") on d as population\n'
    greedy = 'estimate P(gpt2.text(tokens = 2) mentions "a") on d as population\n'
    before = [places(folder, HEAD + q) for q in (drawn, greedy)]
    edit(folder / "rows.jsonl", lambda t: "\n".join(t.splitlines()[1:]) + "\n")
    assert [known(b, places(folder, HEAD + q)) for b, q in zip(before, (drawn, greedy), strict=True)] == [0, 1]


def test_an_image_matters_by_its_content(folder: Path) -> None:
    shutil.copytree(EXAMPLES / "models" / "captioner", folder / "models" / "captioner")
    lines = [json.loads(x) for x in (EXAMPLES / "data" / "scenes.jsonl").read_text().splitlines()[:2]]
    (folder / "a").mkdir()
    for i, line in enumerate(lines):
        shutil.copy(EXAMPLES / "data" / line["kitchen"], folder / "a" / f"{i}.png")
        line["kitchen"] = f"a/{i}.png"
    (folder / "scenes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    before = places(folder, PICTURED)
    image = folder / "a" / "1.png"
    content = bytearray(image.read_bytes())
    content[-20] ^= 1
    image.write_bytes(content)
    assert known(before, places(folder, PICTURED)) == 0.5


def test_functions_are_known_by_their_file(folder: Path) -> None:
    code = "import causalcircuit as cq\n\n@cq.readout('twice')\ndef twice(x):\n    return 2 * x\n"
    (folder / "mine.py").write_text(code)
    text = f'use "./mine.py" as mine\n{HEAD}estimate E[mine.twice(gpt2.logit[row.io] @ last)] on d ci 95%\n'
    before = places(folder, text)
    edit(folder / "mine.py", lambda t: t + "\n")
    assert known(before, places(folder, text)) == 0


def test_a_network_of_python_is_not_kept(folder: Path) -> None:
    program = check_text(HEAD + QUESTION, "t.cq", folder)
    ref = replace(program.models["gpt2"], net=object())
    with pytest.raises(Unkeepable):
        Contents(Files()).model(ref)


def test_code_of_another_repository_is_not_kept(folder: Path) -> None:
    config = folder / "models" / "ioi" / "config.json"
    said = json.loads(config.read_text())
    program = check_text(HEAD + QUESTION, "t.cq", folder)
    config.write_text(json.dumps({**said, "auto_map": {"AutoModel": "owner/other--code.Model"}}))
    with pytest.raises(Unkeepable):
        Contents(Files()).model(program.models["gpt2"])
