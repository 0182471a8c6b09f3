"""The page of a circuit as text: what it holds, that it is always the same, and that no name becomes markup."""

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query.address import ALL, Position
from causalcircuit.query.circuit import Circuit, CircuitEdge
from causalcircuit.report.graph import PageImage, page, write
from causalcircuit.report.graph.columns import axis, image_tokens, index_of
from causalcircuit.report.graph.page import SCRIPTS, in_script
from causalcircuit.report.graph.payload import payload
from causalcircuit.report.graph.places import place
from tests.report.graph import circuits as made

EVERY = [
    made.by_hand, made.two_layers, made.gpt2_small, made.with_positions, made.seeing, made.captioner, made.by_nodes,
    made.hostile,
]  # fmt: skip


class Tags(HTMLParser):
    """The elements of a page, and what stands in its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.inside:
            self._open = tag
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inside[self._open][-1] += data


def data_of(text: str) -> dict:
    return json.loads(Tags(text).inside["script"][0])


@pytest.mark.parametrize("make", EVERY)
def test_one_file_that_needs_no_other(make) -> None:
    text = page(make(), images=(made.PHOTO,))
    tags = Tags(text)
    assert [t for t, _ in tags.tags if t in ("link", "iframe", "object", "embed", "base", "img", "script")] == [
        "script"
    ] * 2
    assert not any(name in ("src", "style") or name.startswith("on") for _, kept in tags.tags for name in kept)
    policy = next(kept["content"] for t, kept in tags.tags if t == "meta" and kept.get("http-equiv"))
    assert policy is not None
    script, style = tags.inside["script"][1], tags.inside["style"][0]
    for kind, content in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "img-src data:;" in policy
    assert "unsafe" not in policy
    assert "http" not in script.replace("http://www.w3.org/2000/svg", "")
    assert page(make(), images=(made.PHOTO,)) == text


def test_the_same_text_in_another_process() -> None:
    script = "import sys; from tests.report.graph.circuits import *; from causalcircuit.report.graph import page\n"
    script += "import hashlib; print(hashlib.sha256(page(captioner(), images=(PHOTO,)).encode()).hexdigest())\n"
    script += "assert not {'torch', 'transformers', 'pandas'} & set(sys.modules)"
    root = Path(__file__).parents[3]
    told = [
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    ours = hashlib.sha256(page(made.captioner(), images=(made.PHOTO,)).encode()).hexdigest()
    assert told == [ours + "\n"] * 2


def test_hostile_names_stay_words() -> None:
    text = page(made.hostile())
    tags = Tags(text)
    assert len(tags.inside["script"]) == 2
    assert text.count("</script") == 2
    assert "window.pwned" not in tags.inside["script"][1]
    assert tags.inside["title"][0].startswith("</script><script>window.pwned=1")
    assert not set("<>&\u2028\u2029") & set(tags.inside["script"][0])
    kept = data_of(text)
    assert kept["groups"][0]["name"].startswith("</script><script>window.pwned=1</script>")
    assert max(len(n["id"]) for n in kept["nodes"]) <= 400


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_in_a_script_is_read_back(content) -> None:
    text = in_script(content)
    assert json.loads(text) == content
    assert not set("<>&\u2028\u2029") & set(text)


@settings(max_examples=30)
@given(st.text(max_size=300))
def test_any_name_is_a_heading(name: str) -> None:
    circuit = made.by_hand()
    text = page(circuit, title=name)
    tags = Tags(text)
    assert len(tags.inside["script"]) == 2
    assert data_of(text)["title"] == data_of(page(circuit, title=name))["title"]
    assert html.unescape(re.search(r"<title>(.*?)</title>", text, re.DOTALL)[1]) == tags.inside["title"][0]


def test_numbers_that_are_not_finite_are_left_out() -> None:
    c = made.two_layers()
    odd = CircuitEdge(c.edges[0].source, None, made.score(float("nan"), half=float("inf")))
    kept = data_of(page(Circuit("C", "gpt2", (odd,), origin=c.origin)))
    assert kept["edges"][0][3][:3] == [None, None, None]


def test_what_a_page_of_two_layers_holds() -> None:
    kept = payload(made.two_layers(), "C", ())
    nodes = kept["nodes"]
    assert [n["label"] for n in nodes] == ["1.3", "embed", "0.1", "MLP 0", "1.0"]
    label = [*(n["label"] for n in nodes), "readout"]
    told = [(label[s], label[t], port, score[0]) for s, t, port, score in kept["edges"]]
    assert told[:3] == [("1.3", "readout", "", 2.13), ("embed", "0.1", "q", 1.24), ("embed", "MLP 0", "", 0.81)]
    assert ("MLP 0", "1.3", "k", -0.42) in told
    heads = next(n for n in nodes if n["label"] == "1.3")
    assert heads["full"] == "head 3 of layer 1"
    assert sorted(heads["sites"]) == [f"gpt2.layer[1].head[3].{x} @ all" for x in ("k", "out", "q", "v")]
    origin = dict(kept["origin"])
    assert origin["method"] == "eap_ig(5)"
    assert origin["data"] == "ioi.train, 64 rows in 32 clusters"
    assert origin["kept"] == "8 edges of 57 scored"
    assert {name: value for name, value, _ in kept["trust"]}["CMD"] == "0.094"


def test_failures_come_first() -> None:
    text = page(made.captioner())
    assert data_of(text)["failures"] == ["faithfulness at all sizes below 0.5", "top 10 edges changed under resampling"]
    assert text.index('id="failures"') < text.index('id="title"') < text.index('id="origin"')


def test_drawn_by_hand() -> None:
    kept = payload(made.by_hand(), "GT", ())
    assert kept["origin"] == [["origin", "drawn by hand: no scores, no data"], ["model", "gpt2"]]
    assert all(e[3] is None for e in kept["edges"])
    assert not kept["measured"]


@pytest.mark.parametrize(
    ("path", "kind", "tower", "layer", "port"),
    [
        ("layer[1].head[3].q", "head", "", 1, "q"),
        ("layer[1].head[3].out", "head", "", 1, ""),
        ("layer[1].kv[0].k", "kv", "", 1, "k"),
        ("layer[1].attn.in", "attn", "", 1, ""),
        ("layer[1].mlp.in", "mlp", "", 1, ""),
        ("layer[1].mlp.neuron[7]", "neuron", "", 1, ""),
        ("layer[1].expert[2].out", "expert", "", 1, ""),
        ("layer[1].resid", "stream", "", 1, ""),
        ("embed", "embed", "", None, ""),
        ("vision.embed", "embed", "vision", None, ""),
        ("vision.out", "out", "vision", None, ""),
        ("projector.out", "projector", "projector", None, ""),
        ("decoder.layer[0].cross.head[2].v", "head", "decoder", 0, "v"),
        ("decoder.layer[0].cross.out", "attn", "decoder", 0, ""),
        ("encoder.layer[3].mlp.out", "mlp", "encoder", 3, ""),
    ],
)
def test_where_a_site_stands(path: str, kind: str, tower: str, layer: int | None, port: str) -> None:
    found = place(made.at("m", path))
    assert (found.kind, found.tower, found.layer, found.port) == (kind, tower, layer, port)
    assert found.cross == ("cross" in path)


def test_rows_rise_along_every_edge() -> None:
    for make in (made.two_layers, made.gpt2_small, made.with_positions, made.seeing, made.captioner):
        kept = payload(make(), "C", (made.PHOTO,))
        height = [(kept["towers"][n["tower"]]["level"], n["row"]) for n in kept["nodes"]]
        for s, t, _, _ in kept["edges"]:
            assert t < 0 or height[s] < height[t], (kept["nodes"][s]["id"], kept["nodes"][t]["id"])


def test_a_feature_stands_between_what_leads_to_it_and_what_it_leads_to() -> None:
    nodes = {n["label"]: n for n in payload(made.captioner(), "C", ())["nodes"]}
    assert nodes["×0.1"]["row"] < nodes["s8 31"]["row"] < nodes["MLP 1"]["row"]
    assert nodes["s8 31"]["tower"] == nodes["MLP 1"]["tower"]


def test_positions_are_columns_with_tokens() -> None:
    kept = payload(made.with_positions(), "C", ())
    columns = kept["towers"][0]["columns"]
    assert [c[0] for c in columns] == [t.strip() for t in made.SENTENCE]
    at = {n["id"]: n["col"] for n in kept["nodes"]}
    assert at["gpt2.layer[9].head[9] @ 13"] == 13
    assert at["gpt2.layer[9].head[9] @ 1"] == 1
    ids = [n["id"] for n in kept["nodes"]]
    linked = {(ids[a], ids[b]) for a, b in kept["links"]}
    assert ("gpt2.layer[9].head[9] @ 1", "gpt2.layer[9].head[9] @ 13") in linked
    assert all(at[a] < at[b] for a, b in linked)


def test_shared_keys_lead_to_the_heads_that_read_them() -> None:
    m = "m"
    edges = [CircuitEdge(made.at(m, "embed"), made.at(m, "layer[0].kv[1].k"))]
    edges += [CircuitEdge(made.at(m, f"layer[0].head[{h}].out"), None) for h in range(4)]
    kept = payload(Circuit("C", m, tuple(edges), shared={"": 2}), "C", ())
    ids = [n["label"] for n in kept["nodes"]]
    assert [(ids[a], ids[b]) for a, b in kept["links"]] == [("kv 0.1", "0.2"), ("kv 0.1", "0.3")]


def test_patches_stand_in_the_image() -> None:
    kept = payload(made.seeing(), "C", (made.PHOTO,))
    vision = next(i for i, t in enumerate(kept["towers"]) if t["name"] == "vision")
    patches = {n["id"]: n["patch"] for n in kept["nodes"] if "patch" in n}
    assert patches["vlm.vision.embed @ image[6]"] == [vision, 6]
    assert patches["vlm.layer[2].head[4] @ image[9]"] == [vision, 9]
    drawn = kept["towers"][vision]["image"]
    assert (drawn["rows"], drawn["cols"]) == (4, 4)
    assert drawn["src"].startswith("data:image/png;base64,")
    text = next(t for t in kept["towers"] if t["name"] == "")
    assert [c[0] for c in text["columns"]][4:7] == ["▦", "▦ 1,1", "▦ 1,2"]


def test_towers_that_no_edge_joins_stand_side_by_side() -> None:
    m = "clip"
    edges = tuple(CircuitEdge(made.at(m, f"{t}layer[0].mlp.out"), None) for t in ("", "vision."))
    assert {t["level"] for t in payload(Circuit("C", m, edges), "C", ())["towers"]} == {2}
    across = (*edges, CircuitEdge(made.at(m, "vision.layer[0].mlp.out"), made.at(m, "layer[0].mlp.in")))
    assert sorted(t["level"] for t in payload(Circuit("C", m, across), "C", ())["towers"]) == [0, 2]


def test_places_of_positions() -> None:
    assert index_of(Position("index", -2), 5) == 3
    assert index_of(Position("index", -2), 0) is None
    assert index_of(Position("last", offset=-1), 5) == 3
    assert index_of(Position("index", 7), 5) is None
    assert index_of(Position("first"), 0) == 0
    assert image_tokens(("<image>",) * 3 + ("a",)) == ()
    assert image_tokens(("<s>", *("<image>",) * 4, "a")) == (1, 2, 3, 4)
    found = axis((ALL, Position("index", 2), Position("last"), Position("index", 0)), ())
    assert [c.label for c in found.columns] == ["all", "0", "2", "last"]
    assert not axis((ALL, ALL), ("a", "b")).columns


def test_files(tmp_path: Path) -> None:
    write(tmp_path / "c.html", made.two_layers(), title="two")
    assert (tmp_path / "c.html").read_text(encoding="utf-8") == page(made.two_layers(), title="two")


def test_bytes_that_are_no_image() -> None:
    with pytest.raises(DiagnosticError) as caught:
        page(made.seeing(), images=(PageImage(b"<svg onload='x'/>", (4, 4)),))
    assert [d.code for d in caught.value.diagnostics] == ["CQ781"]


def test_every_script_of_the_folder_is_joined() -> None:
    assets = Path(sys.modules["causalcircuit.report.graph.page"].__file__ or "").with_name("assets")
    assert {p.stem for p in assets.glob("*.js")} == set(SCRIPTS)
    for path in assets.iterdir():
        assert "</script" not in path.read_text(encoding="utf-8") or path.suffix == ".html"


def test_patches_are_named_by_row_and_column() -> None:
    from causalcircuit.report.graph.columns import axis

    seen = [Position("image", index=k) for k in (6, 9)]
    assert [c.label for c in axis(seen, (), None, 4).columns] == ["▦ 1,2", "▦ 2,1"]
    assert [c.label for c in axis(seen, ()).columns] == ["▦ 6", "▦ 9"]
