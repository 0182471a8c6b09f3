"""The row that a page shows: its tokens, its image as a tower sees it; and that no other file has them."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import causalcircuit.rows as rows
from causalcircuit import runs
from causalcircuit.models import Pictures, load
from causalcircuit.query import Program
from causalcircuit.query.address import ALL, Address, Part, Position, Word
from causalcircuit.query.circuits.formulas import Attributed
from causalcircuit.query.expr import Site
from causalcircuit.report import to_json
from causalcircuit.report.graph.page import page
from causalcircuit.report.graph.payload import payload
from causalcircuit.runs.typical import _commonest, typical_row

EXAMPLES = Path(__file__).parents[2] / "examples"
IOI = f"""
model gpt2 = hf("{EXAMPLES}/models/ioi")
data ioi = jsonl("{EXAMPLES}/data/ioi.jsonl") with prompt = row.clean cluster row.names sample 12 seed 1
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
let corrupt = do(gpt2.input = row.corrupt)
circuit C = attribute(LD, from = corrupt, method = eap, keep = 5 edges) on ioi
show C
"""
CAPTIONER = f"""
model cap = hf("{EXAMPLES}/models/captioner")
data scenes = jsonl("{EXAMPLES}/data/scenes.jsonl") with prefix = "a" cluster row.figure sample 6 seed 1
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
circuit C = attribute(W, from = do(cap.image = row.office), to = do(cap.image = row.kitchen), method = eap,
    keep = 5 edges) on scenes
show C
"""


def asked_of(text: str) -> tuple[Program, Attributed]:
    program = runs.check_text(text, "c.cq", EXAMPLES)
    asked = program.circuits["C"].formula
    assert isinstance(asked, Attributed)
    return program, asked


def test_tokens_are_those_of_a_row_and_stay_out_of_other_files(tmp_path: Path) -> None:
    program, asked = asked_of(IOI + f'save C to "{tmp_path}/c.json"')
    result = runs.run_program(program)
    shown = result.circuits[0]
    row = shown.rows[0]
    assert row is not None
    data = rows.load(asked.data)
    prompt = data.column("clean")[data.rows.index(row.row)]
    assert "".join(row.tokens[""]) == prompt
    assert (row.world, row.images) == ("do()", ())
    text = page(shown.circuits[0], row=row)
    word = prompt.split()[2]
    assert word in text
    assert f"row {row.row} of ioi, in do()" in text
    machine = to_json(result, ())
    saved = json.loads((tmp_path / "c.json").read_text())
    assert prompt not in machine
    assert not saved["tokens"]
    assert f'"{word}"' not in (tmp_path / "c.json").read_text()


def test_positions_stand_where_they_lie_in_the_row() -> None:
    program, asked = asked_of(IOI)
    model = load(program.models["gpt2"])
    at = [Position("token", words=(Word(column=name),), number=1) for name in ("io", "subj")]
    nodes = [Site(Address("gpt2", (Part("embed"),)), p) for p in (*at, Position("last"))]
    data = rows.load(asked.data)
    row = typical_row(asked, nodes, model, data, program.names)
    assert row is not None
    tokens, i = row.tokens[""], data.rows.index(row.row)
    for name, p in zip(("io", "subj"), at, strict=True):
        assert tokens[row.places["", p]].strip() == data.column(name)[i].strip()
    assert row.places["", Position("last")] == len(tokens) - 1
    made = runs.make_circuit(program, program.circuits["C"])
    edges = tuple(type(made.edges[0])(n, None, made.edges[0].score) for n in nodes)
    drawn = payload(type(made)("C", "gpt2", edges), "C", (), row)
    columns = drawn["towers"][0]["columns"]
    assert [columns[n["col"]][2] for n in drawn["nodes"]] == [row.places["", n.position] for n in nodes]
    assert [columns[n["col"]][0] for n in drawn["nodes"][:2]] == [data.column(c)[i].strip() for c in ("io", "subj")]


def test_a_position_that_is_refused_leaves_the_tokens() -> None:
    program, asked = asked_of(IOI)
    model = load(program.models["gpt2"])
    lost = Site(Address("gpt2", (Part("embed"),)), Position("token", words=(Word(None, "nowhere"),)))
    row = typical_row(asked, [lost], model, rows.load(asked.data), program.names)
    assert row is not None
    assert row.tokens[""]
    assert not row.places


def test_an_image_is_what_the_tower_is_fed() -> None:
    program, asked = asked_of(CAPTIONER)
    model = load(program.models["cap"])
    data = rows.load(asked.data)
    whole = Site(Address("cap", (Part("encoder"), Part("embed"))), ALL)
    row = typical_row(asked, [whole], model, data, program.names)
    assert row is not None
    (image,) = row.images
    assert (image.tower, image.grid, image.first) == ("encoder", (4, 4), 1)
    path = data.resolve(data.column("kitchen")[data.rows.index(row.row)])
    fed = Pictures(model).feed(path).media["pixel_values"][0].numpy()
    seen = np.asarray(Image.open(BytesIO(image.content))).transpose(2, 0, 1) / 255
    assert np.abs(seen - (fed * 0.5 + 0.5)).max() < 0.51 / 255 + 1e-6
    assert row.tokens["decoder"][1:] == ("a",)


@pytest.mark.parametrize(("lengths", "at"), [((3, 4, 4), 1), ((5, 3, 5, 3), 1), ((2,), 0)])
def test_the_commonest_length(lengths: tuple[int, ...], at: int) -> None:
    assert _commonest(list(lengths)) == at
