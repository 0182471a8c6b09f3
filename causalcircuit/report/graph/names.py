"""What a picture calls the nodes of a circuit: short enough for a box, and in full for who cannot see the box."""

from __future__ import annotations

from causalcircuit.query.address import Position
from causalcircuit.report.graph.places import Place

_TITLES = {"": "text", "projector": "projector", "vision": "image", "audio": "sound"}
_IN_FULL = {
    "head": "head", "kv": "shared keys and values", "mlp": "MLP", "attn": "attention", "neuron": "neuron",
    "expert": "expert", "router": "router", "embed": "embedding", "projector": "projector", "feature": "feature",
    "error": "error term", "stream": "stream", "out": "output", "module": "module", "readout": "readout",
}  # fmt: skip


def short(place: Place) -> str:
    """The label of a box."""
    cross = "×" if place.cross else ""
    layer = "?" if place.layer is None else place.layer
    match place.kind:
        case "head":
            return f"{cross}{layer}.{place.number}"
        case "kv":
            return f"{cross}kv {layer}.{place.number}"
        case "neuron":
            return f"n{layer}.{place.number}"
        case "expert":
            return f"E{layer}.{place.number}"
        case "mlp":
            return f"MLP {layer}"
        case "attn":
            return f"{cross}attn {layer}"
        case "router":
            return f"router {layer}"
        case "stream":
            return f"stream {layer}"
        case "embed":
            return "patches" if place.tower == "vision" else "embed"
        case "feature" | "error":
            name = place.part.split(".", 1)[0]
            return f"{name} {'error' if place.kind == 'error' else place.number}"
        case _:
            return place.part.split(".", 1)[-1]


def full(place: Place, position: Position, token: str) -> str:
    """The name that a screen reader says."""
    said = _IN_FULL[place.kind]
    if place.cross:
        said = f"cross-attention {said}"
    if place.number is not None:
        said += f" {place.number}"
    if place.kind == "feature":
        said += f" of {place.part.split('.', 1)[0]}"
    if place.kind == "module":
        said = place.part
    if place.layer is not None:
        said += f" of layer {place.layer}"
    if place.tower not in ("", "projector"):
        said += f" of the {place.tower} tower"
    at = f", at {position}" if position.kind != "all" else ""
    return f"{said}{at}{f' ({token})' if token else ''}"


def tower_title(tower: str) -> str:
    """What a tower is called beside its rows."""
    return _TITLES.get(tower, tower)
