"""Circuits of made-up models to draw: by hand, of GPT-2-small's shape, with positions, with images, and large ones."""

from __future__ import annotations

import random
from dataclasses import replace
from io import BytesIO

from PIL import Image, ImageDraw

from causalcircuit.query.address import ALL, LAST, Address, Attached, Part, Position
from causalcircuit.query.circuit import Circuit, CircuitEdge, CircuitNode, Origin, Score, SizePoint, Trust
from causalcircuit.query.circuits.sets import ordered
from causalcircuit.query.estimate import Interval
from causalcircuit.query.expr import Site
from causalcircuit.report.graph import PageImage
from tests.circuits.samples import site

SENTENCE = (
    "When",
    " Mary",
    " and",
    " John",
    " went",
    " to",
    " the",
    " store",
    ",",
    " John",
    " gave",
    " a",
    " drink",
    " to",
)


def at(model: str, path: str, position: Position = ALL) -> Site:
    """`at("m", "layer[0].head[1].out")`."""
    return site(path, position, model)


def index(k: int) -> Position:
    return Position("index", k)


def image(k: int) -> Position:
    return Position("image", k)


def score(value: float, n: int = 64, half: float | None = None) -> Score:
    wide = 0.1 * abs(value) + 0.002 if half is None else half
    return Score(value, Interval(value - wide, value + wide), n, min(1.0, round(0.4 + abs(value), 2)))


def origin(**more: object) -> Origin:
    plain = Origin(
        method="eap_ig(5)", direction="noising", readout="logit[row.io] @ last - logit[row.subj] @ last", unit="logit",
        start="do()", end="do(gpt2.input = row.corrupt)", data="ioi.train", rows=64, clusters=32, considered=32491,
        model="gpt2 gpt2-small", weights="9b1c07aa5c3f4e21aa00", dtype="float32", device="cpu", seed=7,
        versions={"torch": "2.13.0", "transformers": "5.23.0"}, seconds=12.5, passes=640,
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]


def trust(considered: int = 32491, failures: tuple[str, ...] = ()) -> Trust:
    sizes = [s for s in (1, 3, 10, 32, 65, 100, 200, 325, 1000, 3249, considered) if s <= considered]
    curve = []
    for s in sizes:
        f = 1 - 0.97 * (1 - (s / considered) ** 0.28)
        curve.append(
            SizePoint(s, s / considered, round(f, 3), Interval(round(f - 0.06, 3), round(min(1.08, f + 0.05), 3)))
        )
    return Trust(
        curve=tuple(curve), cpr=0.912, cmd=0.094, pearson=0.943, spearman=0.881, recall=0.9, held=400, jaccard=0.78,
        randomised=0.04, across={"eap": 0.71, "relp": 0.83}, failures=failures,
        notes=("agreement with exact patching was measured on the top 200 and a random sample of 200",),
    )  # fmt: skip


def by_hand() -> Circuit:
    """Seven wires of a model of two layers, drawn by hand."""
    m = "gpt2"
    embed, duplicate, early = at(m, "embed"), at(m, "layer[0].head[1].out"), at(m, "layer[0].mlp.out")
    mover, backup = "layer[1].head[3]", "layer[1].head[0]"
    pairs: list[tuple[Site, Site | None]] = [
        (embed, at(m, "layer[0].head[1].q")),
        (embed, at(m, "layer[0].mlp.in")),
        (duplicate, at(m, f"{mover}.q")),
        (early, at(m, f"{mover}.k")),
        (embed, at(m, f"{mover}.v")),
        (early, at(m, f"{backup}.v")),
        (at(m, f"{mover}.out"), None),
        (at(m, f"{backup}.out"), None),
    ]
    return Circuit("GT", m, tuple(CircuitEdge(a, b) for a, b in pairs))


def two_layers() -> Circuit:
    """The same model with scores."""
    values = (1.24, 0.81, 0.77, -0.42, 0.31, -0.22, 2.13, -0.36)
    edges = [CircuitEdge(e.source, e.target, score(v)) for e, v in zip(by_hand().edges, values, strict=True)]
    ours = replace(trust(57), held=57, across={"eap": 0.9})
    return Circuit(
        "C", "gpt2", ordered(edges), origin=origin(considered=57, model="gpt2 ioi"), trust=ours,
        tokens={"": SENTENCE},
    )  # fmt: skip


def random_circuit(
    nodes: int, many: int, layers: int = 12, heads: int = 12, seed: int = 1, positions: int = 1, name: str = "C"
) -> Circuit:
    """The `many` strongest wires between `nodes` parts of a model of so many layers, heavy-tailed as real ones are."""
    chance = random.Random(seed)
    m = "gpt2"
    where = [ALL] if positions == 1 else [index(p) for p in range(positions)]
    parts = [(layer, f"layer[{layer}].head[{h}]", p) for p in where for layer in range(layers) for h in range(heads)]
    parts += [(layer + 0.5, f"layer[{layer}].mlp", p) for p in where for layer in range(layers)]
    chosen = sorted(chance.sample(parts, min(nodes - 2, len(parts))), key=lambda part: part[0])
    weight = {part: chance.paretovariate(1.2) for part in chosen}
    found: dict[tuple[Site, Site | None], CircuitEdge] = {}
    while len(found) < many:
        target = chance.choices(chosen, [weight[c] for c in chosen])[0]
        below = [c for c in chosen if c[0] < target[0] and (c[2] == target[2])]
        roll = chance.random()
        if roll < 0.12:
            pair: tuple[Site, Site | None] = (at(m, f"{target[1]}.out", target[2]), None)
        elif roll < 0.3 or not below:
            pair = (at(m, "embed", target[2]), _read(m, target, chance))
        else:
            source = chance.choices(below, [weight[c] for c in below])[0]
            pair = (at(m, f"{source[1]}.out", source[2]), _read(m, target, chance))
        value = round(chance.choice((1, 1, -1)) * 0.02 * chance.paretovariate(1.1) ** 0.8, 5)
        found[pair] = CircuitEdge(*pair, score(value))
    return Circuit(name, m, ordered(list(found.values())), origin=origin(), trust=trust())


def _read(m: str, part: tuple[float, str, Position], chance: random.Random) -> Site:
    return at(m, f"{part[1]}.{'in' if 'mlp' in part[1] else chance.choice('qkv')}", part[2])


def gpt2_small() -> Circuit:
    return random_circuit(90, 200, seed=5)


def large() -> Circuit:
    """500 nodes and 5,000 edges."""
    return random_circuit(500, 5000, layers=24, heads=24, seed=2)


def with_positions() -> Circuit:
    """Names and their movers, position by position, as in the paper on indirect objects."""
    m = "gpt2"
    io, s1, s1_next, s2, end = (index(k) for k in (1, 3, 4, 9, 13))
    wires: list[tuple[str, Position, str | None, Position, float]] = [
        ("embed", s1, "layer[0].head[1].k", s1, 0.62),
        ("embed", s2, "layer[0].head[1].q", s2, 0.55),
        ("embed", s1, "layer[0].mlp.in", s1, 0.48),
        ("embed", s2, "layer[0].mlp.in", s2, 0.71),
        ("embed", io, "layer[0].mlp.in", io, 0.66),
        ("layer[0].mlp.out", s1_next, "layer[5].head[5].k", s1_next, 0.38),
        ("layer[0].mlp.out", s2, "layer[5].head[5].q", s2, 0.41),
        ("layer[2].head[2].out", s1_next, "layer[5].head[5].k", s1_next, 0.33),
        ("embed", s1_next, "layer[2].head[2].q", s1_next, 0.21),
        ("layer[0].mlp.out", s1, "layer[2].head[2].v", s1, 0.27),
        ("layer[0].head[1].out", s2, "layer[7].head[3].v", s2, 0.72),
        ("layer[5].head[5].out", s2, "layer[7].head[3].v", s2, 0.64),
        ("layer[5].head[5].out", s2, "layer[8].head[6].v", s2, 0.81),
        ("layer[7].head[3].out", end, "layer[9].head[9].q", end, -0.92),
        ("layer[8].head[6].out", end, "layer[9].head[9].q", end, -1.31),
        ("layer[8].head[6].out", end, "layer[10].head[7].q", end, 0.44),
        ("layer[8].head[6].out", end, "layer[9].head[6].q", end, -0.66),
        ("layer[0].mlp.out", io, "layer[9].head[9].v", io, 1.02),
        ("layer[0].mlp.out", io, "layer[9].head[6].v", io, 0.58),
        ("layer[0].mlp.out", io, "layer[10].head[7].k", io, 0.31),
        ("layer[9].head[9].out", end, None, end, 2.9),
        ("layer[9].head[6].out", end, None, end, 1.7),
        ("layer[10].head[7].out", end, None, end, -1.9),
        ("layer[9].head[9].out", end, "layer[10].head[7].q", end, 0.52),
        ("layer[10].mlp.out", end, None, end, 0.24),
        ("layer[9].head[9].out", end, "layer[10].mlp.in", end, 0.22),
    ]
    edges = [CircuitEdge(at(m, a, p), None if b is None else at(m, b, q), score(v)) for a, p, b, q, v in wires]
    return Circuit(
        "indirect object", m, ordered(edges), origin=origin(method="eap_ig(10)"), trust=trust(),
        groups={}, tokens={"": SENTENCE},
    )  # fmt: skip


def seeing() -> Circuit:
    """Patches to projector to heads of the text: a vision-language model."""
    m = "vlm"
    patches = {5: 0.42, 6: 0.77, 9: 0.31, 10: -0.28}
    wires: list[tuple[Site, Site | None, float]] = []
    for k, v in patches.items():
        wires.append((at(m, "vision.embed", image(k)), at(m, "vision.layer[0].head[1].v", image(k)), v))
        seen = at(m, "vision.layer[0].head[1].out", image(k))
        wires.append((seen, at(m, "vision.layer[1].mlp.in", image(k)), v * 0.8))
        wires.append((at(m, "vision.layer[1].mlp.out", image(k)), at(m, "projector.out", image(k)), v * 0.9))
        wires.append((at(m, "projector.out", image(k)), at(m, "layer[2].head[4].v", image(k)), v * 1.1))
    said = index(18)
    wires += [
        (at(m, "embed", index(17)), at(m, "layer[1].head[0].q", index(17)), 0.35),
        (at(m, "layer[1].head[0].out", index(17)), at(m, "layer[2].head[4].q", said), -0.41),
        (at(m, "layer[2].head[4].out", said), at(m, "layer[3].mlp.in", said), 0.52),
        (at(m, "layer[2].head[4].out", said), None, 1.3),
        (at(m, "layer[3].mlp.out", said), None, -0.37),
    ]
    text = (*("▦" for _ in range(16)), "A", " photo", " of")
    return Circuit(
        "sees the cat", m, ordered([CircuitEdge(a, b, score(v)) for a, b, v in wires]),
        origin=origin(readout='logit[" cat"] @ last', start="do(vlm.image = row.dog)", end="do()", model="llava tiny"),
        trust=trust(), tokens={"": text},
    )  # fmt: skip


def captioner() -> Circuit:
    """A vision tower and a decoder that looks at it by cross-attention, positions joint; an MLP's neuron, a feature."""
    m = "cap"
    dictionary = Site(Address(m, (Attached("s8"), Part("feature", 31))), ALL)
    wires: list[tuple[Site, Site | None, float]] = [
        (at(m, "encoder.embed"), at(m, "encoder.layer[0].head[2].v"), 0.8),
        (at(m, "encoder.embed"), at(m, "encoder.layer[0].mlp.in"), 0.5),
        (at(m, "encoder.layer[0].head[2].out"), at(m, "encoder.layer[1].mlp.in"), 0.4),
        (at(m, "encoder.layer[0].mlp.out"), at(m, "encoder.layer[1].head[0].v"), -0.3),
        (at(m, "encoder.layer[1].mlp.out"), at(m, "decoder.layer[0].cross.head[1].v"), 0.7),
        (at(m, "encoder.layer[1].head[0].out"), at(m, "decoder.layer[1].cross.head[3].v"), 1.1),
        (at(m, "decoder.embed"), at(m, "decoder.layer[0].head[0].q", LAST), 0.2),
        (at(m, "decoder.layer[0].cross.head[1].out"), dictionary, 0.35),
        (dictionary, at(m, "decoder.layer[1].mlp.in"), 0.31),
        (at(m, "decoder.layer[1].mlp.neuron[301]"), None, -0.44),
        (at(m, "decoder.layer[1].cross.head[3].out"), None, 1.9),
        (at(m, "decoder.layer[1].mlp.out"), None, 0.6),
    ]
    return Circuit(
        "kitchen", m, ordered([CircuitEdge(a, b, score(v)) for a, b, v in wires]), origin=origin(),
        trust=trust(failures=("faithfulness at all sizes below 0.5", "top 10 edges changed under resampling")),
        groups={"looks at the background": (wires[5][1] or wires[5][0], wires[4][1] or wires[4][0])},
    )  # fmt: skip


def by_nodes() -> Circuit:
    """What a method without edges gives."""
    m = "gpt2"
    chance = random.Random(3)
    sites = [at(m, f"layer[{k}].head[{h}].out") for k in range(6) for h in range(8)]
    found = [CircuitNode(s, score(round(chance.gauss(0, 0.4), 4))) for s in sites]
    found.sort(key=lambda n: -abs(n.score.value) if n.score else 0.0)
    return Circuit("N", m, nodes=tuple(found), origin=origin(method="atp", considered=72))


HOSTILE = (
    '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=1">\'"`${1}\u2028\u0000\u202e&amp;'
    + "x" * 900
)


def hostile() -> Circuit:
    """Names that want to become markup, everywhere a name may stand."""
    c = two_layers()
    assert c.origin is not None
    assert c.trust is not None
    module = Site(Address(HOSTILE, (Part("module", text=HOSTILE),)), ALL)
    feature = Site(Address(HOSTILE, (Attached(HOSTILE), Part("feature", 3))), ALL)
    extra = [CircuitEdge(module, c.edges[0].target, score(0.1)), CircuitEdge(feature, None, score(-0.2))]
    words = replace(
        c.origin, method=HOSTILE, readout=HOSTILE, unit=HOSTILE, start=HOSTILE, end=HOSTILE, data=HOSTILE,
        model=HOSTILE, weights=HOSTILE, dtype=HOSTILE, versions={HOSTILE: HOSTILE},
    )  # fmt: skip
    return replace(
        c, name=HOSTILE, model=HOSTILE, edges=(*c.edges, *extra), origin=words,
        trust=replace(c.trust, failures=(HOSTILE,), notes=(HOSTILE,), across={HOSTILE: 0.5}),
        groups={HOSTILE: (c.edges[0].source, c.edges[1].source)}, tokens={"": (HOSTILE,) * 3},
    )  # fmt: skip


def photo(side: int = 96) -> bytes:
    """A picture with something to see: a cat's head before a window."""
    drawn = Image.new("RGB", (side, side), (188, 206, 222))
    pen = ImageDraw.Draw(drawn)
    s = side / 96
    pen.rectangle((0, 66 * s, side, side), fill=(150, 111, 80))
    pen.rectangle((6 * s, 8 * s, 36 * s, 44 * s), fill=(245, 233, 170), outline=(120, 90, 70), width=2)
    pen.polygon([(34 * s, 40 * s), (38 * s, 16 * s), (52 * s, 32 * s)], fill=(90, 84, 92))
    pen.polygon([(80 * s, 40 * s), (78 * s, 16 * s), (62 * s, 32 * s)], fill=(90, 84, 92))
    pen.ellipse((33 * s, 26 * s, 82 * s, 74 * s), fill=(104, 98, 108))
    for x in (48, 68):
        pen.ellipse(((x - 4) * s, 42 * s, (x + 4) * s, 52 * s), fill=(216, 196, 84))
    pen.polygon([(54 * s, 57 * s), (62 * s, 57 * s), (58 * s, 62 * s)], fill=(214, 140, 150))
    out = BytesIO()
    drawn.save(out, "PNG")
    return out.getvalue()


PHOTO = PageImage(photo(), (4, 4), title="a cat before a window")
