"""The hook contract, a tensor at a time: a planted fault is refused by name, with the clause that it breaks.

Honest taps stay proven beside it, so a refusal tells where the fault is.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from causalcircuit.models import LoadedModel
from causalcircuit.models.contract.edits import disturb
from causalcircuit.models.contract.proof import Proof
from causalcircuit.models.contract.prove import prove
from tests.models.planted import (
    as_other,
    bent,
    beside,
    coarse,
    half,
    hooked,
    moved,
    nowhere,
    nudged,
    on_copy,
    rolled,
    swapped,
    twice,
    written,
)

Plant = Callable[[LoadedModel], LoadedModel]
Family = Callable[..., LoadedModel]

HONEST = ("gpt2", "llama", "mixtral", "bert", "gemma2", "granite", "falcon", "olmo2", "whisper")


def held(model: LoadedModel) -> Proof:
    return prove(model, model.probe)


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_honest_models_pass(family: Family, name: str, dtype: str) -> None:
    model = family(name, dtype=dtype)
    proof = held(model)
    assert (proof.refused, proof.sloped, proof.unread, proof.still) == ({}, {}, set(), set())
    kinds = {n.split("[")[0] + n.rpartition("]")[2] for n in model.taps}
    assert kinds == {n.split("[")[0] + n.rpartition("]")[2] for n in proof.assigned}


# (family, what is planted, the tensor that is refused, the clause that says why)
SLICES: dict[str, tuple[str, Plant, str, str]] = {
    "heads off by one": (
        "gpt2",
        lambda m: bent(m, "layer[1].z", rolled(12)),
        "layer[1].z",
        "heads + bias = attention",
    ),
    "components of heads off by one": (
        "falcon",
        lambda m: bent(m, "layer[2].z", rolled(1)),
        "layer[2].z",
        "heads + bias = attention",
    ),
    "queries of the next head": (
        "gpt2",
        lambda m: bent(m, "layer[0].q", rolled(12)),
        "layer[0].q",
        "noise in head 1 of it does not move that head",
    ),
    "queries whose heads are interleaved": (
        "llama",
        lambda m: bent(m, "layer[1].q", rolled(1)),
        "layer[1].q",
        "moves head",
    ),
    "keys of the next head": (
        "bert",
        lambda m: bent(m, "layer[1].k", rolled(12)),
        "layer[1].k",
        "noise in head 1 of it does not move that head",
    ),
    "keys of another group": (
        "llama",
        lambda m: bent(m, "layer[1].k", rolled(24)),
        "layer[1].k",
        "noise in head 1 of it moves head 0",
    ),
    "values of another group": (
        "gemma2",
        lambda m: bent(m, "layer[2].v", rolled(24)),
        "layer[2].v",
        "pattern × values = heads",
    ),
    "values of the next head, unseen by a pattern": (
        "llama-sdpa",
        lambda m: bent(m, "layer[2].v", rolled(24)),
        "layer[2].v",
        "noise in head 1 of it moves head 0",
    ),
    "patterns of the next head": (
        "gpt2",
        lambda m: bent(m, "layer[0].pattern", rolled(1, -2)),
        "layer[0].pattern",
        "pattern × values = heads",
    ),
    "patterns of the next key": (
        "whisper",
        lambda m: bent(m, "decoder.layer[1].cross.pattern", rolled(1)),
        "decoder.layer[1].cross.pattern",
        "pattern × values = heads",
    ),
    "positions off by one": (
        "llama",
        lambda m: bent(m, "layer[1].mlp.neurons", rolled(1, 1)),
        "layer[1].mlp.neurons",
        "neurons × last projection",
    ),
    "positions of queries off by one": (
        "llama",
        lambda m: bent(m, "layer[1].q", rolled(1, 1)),
        "layer[1].q",
        "",
    ),
    "cross-attention's heads for the attention's": (
        "whisper",
        lambda m: as_other(m, "decoder.layer[0].z", "decoder.layer[0].cross.z"),
        "decoder.layer[0].z",
        "heads + bias = attention",
    ),
}
LAYERS: dict[str, tuple[str, Plant, str, str]] = {
    "heads of the next layer": (
        "gpt2",
        lambda m: as_other(m, "layer[0].z", "layer[1].z"),
        "layer[0].z",
        "heads + bias = attention",
    ),
    "queries of the next layer": (
        "llama",
        lambda m: as_other(m, "layer[0].q", "layer[1].q"),
        "layer[0].q",
        "does not move",
    ),
    "queries of the layer before": (
        "llama-sdpa",
        lambda m: as_other(m, "layer[1].q", "layer[0].q"),
        "layer[1].q",
        "computed before it or beside it",
    ),
    "what attention reads a layer on": (
        "granite",
        lambda m: as_other(m, "layer[1].attn.in", "layer[2].attn.in"),
        "layer[1].attn.in",
        "what its queries are made of",
    ),
    "what the MLP reads a layer back": (
        "falcon",
        lambda m: as_other(m, "layer[1].mlp.in", "layer[0].mlp.in"),
        "layer[1].mlp.in",
        "what its first linear map is given",
    ),
    "the MLP of the next layer": (
        "gemma2",
        lambda m: as_other(m, "layer[1].mlp.out", "layer[2].mlp.out"),
        "layer[1].mlp.out",
        "stream + attention + MLP",
    ),
    "the stream of another block": (
        "gpt2",
        lambda m: as_other(m, "resid[1]", "resid[2]"),
        "resid[1]",
        "the stream is what its block is given",
    ),
    "the stream between of another block": (
        "bert",
        lambda m: as_other(m, "layer[0].resid_mid", "layer[1].resid_mid"),
        "layer[0].resid_mid",
        "norm of stream + attention = stream between",
    ),
    "a skipped residual": (
        "gpt2",
        lambda m: moved(m, "layer[1].resid_mid", block="transformer.h.0"),
        "layer[1].resid_mid",
        "stream",
    ),
    "the stream before the last norm": (
        "llama",
        lambda m: as_other(m, "final_norm", "resid[3]"),
        "final_norm",
        "final norm",
    ),
}
MEANINGS: dict[str, tuple[str, Plant, str, str]] = {
    "keys for queries": (
        "gpt2-sdpa",
        lambda m: swapped(m, "layer[1].q", "layer[1].k"),
        "layer[1].q",
        "noise in queries of other positions",
    ),
    "queries for keys": (
        "gpt2-sdpa",
        lambda m: swapped(m, "layer[1].k", "layer[1].q"),
        "layer[1].k",
        "does not move the attention's output at the last one",
    ),
    "keys for values": (
        "bert-sdpa",
        lambda m: swapped(m, "layer[0].v", "layer[0].k"),
        "layer[0].v",
        "is not linear in it",
    ),
    "values for keys": (
        "llama-sdpa",
        lambda m: swapped(m, "layer[2].k", "layer[2].v"),
        "layer[2].k",
        "is linear in it",
    ),
    "queries before their rotation": (
        "mixtral",
        lambda m: hooked(m, "layer[1].q", "model.layers.1.self_attn.q_proj", "out"),
        "layer[1].q",
        "what the attention function is given",
    ),
    "keys before their rotation": (
        "llama-sdpa",
        lambda m: hooked(m, "layer[1].k", "model.layers.1.self_attn.k_proj", "out"),
        "layer[1].k",
        "what the attention function is given",
    ),
    "before the norm": (
        "llama",
        lambda m: hooked(m, "layer[1].attn.in", "model.layers.1.input_layernorm", "in"),
        "layer[1].attn.in",
        "what its queries are made of",
    ),
    "before the MLP's norm": (
        "gpt2",
        lambda m: hooked(m, "layer[1].mlp.in", "transformer.h.1.ln_2", "in"),
        "layer[1].mlp.in",
        "what its first linear map is given",
    ),
    "the gate instead of the neurons": (
        "llama",
        lambda m: hooked(m, "layer[1].mlp.neurons", "model.layers.1.mlp.act_fn", "out"),
        "layer[1].mlp.neurons",
        "neurons × last projection",
    ),
    "another width": (
        "llama",
        lambda m: hooked(m, "layer[1].mlp.neurons", "model.layers.1.mlp.down_proj", "out"),
        "layer[1].mlp.neurons",
        "components",
    ),
    "a write before the sandwich's norm": (
        "gemma2",
        lambda m: hooked(m, "layer[1].mlp.out", "model.layers.1.mlp", "out"),
        "layer[1].mlp.out",
        "stream + attention + MLP",
    ),
    "an expert for another": (
        "mixtral",
        lambda m: as_other(m, "layer[1].expert[2]", "layer[1].expert[1]"),
        "layer[1].expert[2]",
        "add up to the mixture's",
    ),
    "the router of another layer": (
        "mixtral",
        lambda m: as_other(m, "layer[1].router", "layer[2].router"),
        "layer[1].router",
        "",
    ),
    "a router tap on the experts": (
        "mixtral",
        lambda m: moved(m, "layer[1].router", router="model.layers.1.mlp.experts"),
        "layer[1].router",
        "",
    ),
}
WRITES: dict[str, tuple[str, Plant, str, str]] = {
    "written on a copy": (
        "llama",
        lambda m: bent(m, "layer[1].mlp.out", on_copy),
        "layer[1].mlp.out",
        "",
    ),
    "queries written on a copy": (
        "gpt2",
        lambda m: bent(m, "layer[2].q", on_copy),
        "layer[2].q",
        "does not move",
    ),
    "heads written on a copy": (
        "bert",
        lambda m: bent(m, "layer[2].z", on_copy),
        "layer[2].z",
        "",
    ),
    "the stream written where only attention reads it": (
        "llama",
        lambda m: hooked(m, "resid[1]", "model.layers.1.input_layernorm", "in"),
        "resid[1]",
        "",
    ),
    "the stream written too late for its projector": (
        "llava",
        lambda m: hooked(m, "vision.resid[2]", "model.vision_tower.encoder.layers.2", "in"),
        "vision.resid[2]",
        "something reads it where what is written does not reach",
    ),
    "what attention reads written into the stream, too": (
        "bert",
        lambda m: hooked(m, "layer[1].attn.in", "bert.encoder.layer.1", "in"),
        "layer[1].attn.in",
        "does not go where it was read",
    ),
    "what the MLP reads written into the stream, too": (
        "bert",
        lambda m: hooked(m, "layer[1].mlp.in", "bert.encoder.layer.1.attention", "out"),
        "layer[1].mlp.in",
        "does not go where it was read",
    ),
    "half of what is written": (
        "gpt2",
        lambda m: bent(m, "layer[1].z", half),
        "layer[1].z",
        "does not go where it was read",
    ),
    "written twice": (
        "falcon",
        lambda m: twice(m, "layer[1].mlp.out"),
        "layer[1].mlp.out",
        "it passes 2 times",
    ),
    "never": (
        "whisper",
        lambda m: nowhere(m, "encoder.final_norm"),
        "encoder.final_norm",
        "it passes 0 times",
    ),
    "scaled on the way back": (
        "granite",
        lambda m: bent(m, "layer[1].attn.out", written(lambda x: 1.01 * x)),
        "layer[1].attn.out",
        "writing back the value that was read",
    ),
    "noise that reaches beside": (
        "llama-sdpa",
        lambda m: beside(m, "layer[1].q", "layer[1].k"),
        "layer[1].q",
        "",
    ),
}
LOOKS: dict[str, tuple[str, Plant, str, str]] = {
    "nudged by being looked at": (
        "gpt2",
        lambda m: bent(m, "layer[1].mlp.out", nudged),
        "layer[1].mlp.out",
        "observing it changes the output",
    ),
    "cast through float32": (
        "llama",
        lambda m: bent(m, "layer[1].k", coarse),
        "layer[1].k",
        "observing it changes the output",
    ),
}
# Where an equation fails, each side of it is doubtful.
DOUBTFUL: dict[str, set[str]] = {
    "patterns of the next head": {"layer[0].v"},
    "patterns of the next key": {"decoder.layer[1].cross.v"},
    "the stream between of another block": {"layer[0].attn.out"},
    "the stream before the last norm": {"resid[3]"},
    "keys for queries": {"layer[1].k"},
    "queries for keys": {"layer[1].q"},
    "keys for values": {"layer[0].k"},
    "values for keys": {"layer[2].v"},
    "an expert for another": {f"layer[1].expert[{e}]" for e in range(4)},
}
FAULTS = {**SLICES, **LAYERS, **MEANINGS, **WRITES, **LOOKS}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_by_name(family: Family, fault: str) -> None:
    name, plant, tensor, clause = FAULTS[fault]
    model = plant(family(*name.split("-")))
    proof = held(model)
    assert set(proof.refused) == {tensor} | DOUBTFUL.get(fault, set())
    assert tensor not in proof.assigned
    assert not proof.sloped
    assert clause in proof.refused[tensor] or clause in by_noise(model, tensor)


def by_noise(model: LoadedModel, tensor: str) -> str:
    """What the clause about assignments says where no other one has spoken before it."""
    proof = Proof()
    disturb(model, model.probe, [tensor], proof)
    return proof.refused[tensor]
