"""The two models that ship: rows of their data, and what engine and brute force are both asked on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from transformers import AutoImageProcessor, AutoTokenizer, GPT2LMHeadModel, VisionEncoderDecoderModel

from causalcircuit.query import ALL, FIRST, LAST, Expr, Text
from tests.truth.brute import Brute
from tests.truth.cases import Cases, Ground, crossed, every_position, every_value, readouts, stack
from tests.truth.say import do, feed, given, masked, mean, op, patch, read, row, site, span, token, within

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Shipped:
    """A model that ships, rows of its data, and what is asked on them.

    Attributes:
        model: its folder. data: a JSONL file. rows: which of them (templates, figures and genders differ).
        feeds: what feeds the model. cases: the fast grid. full: the full one.
    """

    model: str
    data: str
    rows: Sequence[int]
    feeds: dict[str, Expr]
    cases: Cases
    full: Cases


IOI = Ground(
    read("logit", row("io")),
    do((feed("input"), row("corrupt"))),
    stack("", 1, 4),
    site("layer[0].attn.out", ALL),
    site("embed", FIRST),
)
HEADS = [f"layer[{i}].head[{j}].out" for i in range(2) for j in range(4)]
MOVER = site("layer[1].head[3].out", LAST)
IOI_WORLDS = {
    "factual": do(),
    "corrupt": IOI.other,
    "the mover's mean": do((MOVER, mean(MOVER))),
    "the mover moved": do((MOVER, given(MOVER, IOI.other))),
    "path": do(
        (site("layer[1].resid", LAST), given(site("layer[1].resid", LAST), do((MOVER, given(MOVER, IOI.other)))))
    ),
}
NAMES = {"single": (" Mary", " John", " Anna"), "long": (" went to", " gave a"), "column": ("io",)}
IOI_CASES = (
    every_value(IOI, [MOVER.address.local])
    | every_value(IOI, [*IOI.nodes, *HEADS], ["mean", "other world"])
    | crossed(readouts(NAMES), IOI_WORLDS)
)
IOI_PLACES = {"io": token("io"), "first": FIRST, "all": ALL, "span": span("io")}
IOI_FULL = every_value(IOI, [*IOI.nodes, *HEADS]) | every_position(IOI, IOI.nodes, IOI_PLACES, same=False)

MENTION = token(within("subject", "base"), within("other", "source"), number=2)
SOURCE = do((feed("input"), row("source")))
PAIRS = {"good": read("logit", row("good")), "bad": read("logit", row("bad"))}
PAIR_SITES = ("embed", "layer[0].resid", "layer[1].resid_mid", "layer[1].head[0].out", "layer[1].mlp.in")
PAIR_CASES = crossed(
    PAIRS, {a: do((site(a, MENTION), given(site(a, MENTION), SOURCE))) for a in PAIR_SITES} | {"source": SOURCE}
)

SCENE = Ground(
    read("logit", "woman"),
    do((feed("image"), row("kitchen"))),
    (*stack("encoder.", 1, 4), "encoder.out", *stack("decoder.", 1, 4, cross=True)),
    site("encoder.layer[0].attn.out", ALL),
    site("encoder.embed", patch(5)),
)
CROSS = [f"decoder.layer[{i}].cross.head[{j}].out" for i in range(2) for j in range(4)]
SCENE_PLACES = {
    "figure": masked("inside", "figure_mask"),
    "background": masked("outside", "figure_mask"),
    "drawn background": masked("inside", "background_mask"),
    "class token": FIRST,
    "patch": patch(9),
    "all": ALL,
}
OUT, BEHIND = site("encoder.out", ALL), site("encoder.embed", SCENE_PLACES["background"])
SCENE_WORLDS = {
    "office": do(),
    "kitchen": SCENE.other,
    "street": do((feed("image"), row("street"))),
    "through 1.3": do((site(CROSS[7], ALL), given(site(CROSS[7], ALL), SCENE.other))),
    "background alone": do((BEHIND, given(BEHIND, SCENE.other))),
    "mean picture": do((OUT, mean(OUT))),
    "cue": do((OUT, op(OUT, "*", op(1, "+", row("cue"))))),
}
WORDS = {"single": ("woman", "man"), "long": ("man in a kitchen", "man in an office"), "column": ("gender",)}
SCENE_CASES = (
    every_value(SCENE, CROSS[7:])
    | every_value(SCENE, [*SCENE.nodes, *CROSS], ["other world"])
    | every_position(SCENE, ["encoder.layer[0].resid", "encoder.out"], SCENE_PLACES, same=True)
    | crossed(readouts(WORDS), SCENE_WORLDS)
)
SCENE_FULL = every_value(SCENE, [*SCENE.nodes, *CROSS]) | every_position(
    SCENE, [n for n in SCENE.nodes if n.startswith("encoder")], SCENE_PLACES, same=True
)

SHIPPED = {
    "ioi": Shipped("ioi", "ioi.jsonl", (0, 1, 2, 3, 130), {"input": row("clean")}, IOI_CASES, IOI_FULL),
    "ioi pairs": Shipped("ioi", "ioi_pairs.jsonl", (0, 1, 2, 77), {"input": row("base")}, PAIR_CASES, {}),
    "captioner": Shipped(
        "captioner",
        "scenes.jsonl",
        (0, 1, 100, 239),
        {"image": row("office"), "prefix": Text("a")},
        SCENE_CASES,
        SCENE_FULL,
    ),
}


@cache
def brute(name: str) -> Brute:
    """The brute force over the chosen rows, in float64."""
    shipped = SHIPPED[name]
    folder, data = EXAMPLES / "models" / shipped.model, EXAMPLES / "data"
    lines = (data / shipped.data).read_text().splitlines()
    rows = [json.loads(lines[i]) for i in shipped.rows]
    picture = (folder / "preprocessor_config.json").exists()
    kind = VisionEncoderDecoderModel if picture else GPT2LMHeadModel
    model = kind.from_pretrained(folder, dtype=torch.float64).eval()
    processor = AutoImageProcessor.from_pretrained(folder) if picture else None
    return Brute(model, AutoTokenizer.from_pretrained(folder), processor, rows, shipped.feeds, data)
