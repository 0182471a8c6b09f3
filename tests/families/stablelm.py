"""StableLM: sequential blocks with biases at q, k and v; and the parallel ones of StableLM 2 12B with norms a head."""

from pathlib import Path
from typing import Any

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import SIZES, tower
from tests.families.parts import save, tokenizer

TOWER: dict[str, Any] = {"head_dim": 16, "rotary_dims": 8}
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
NOTES = "rotary angles and the eager softmax are computed in float32: float64 is accurate to 1e-7 only"


@family("stablelm", kind="decoder", facts=Facts((tower(**TOWER),)), notes=NOTES)
def stablelm(folder: Path) -> None:
    config = transformers.StableLmConfig(**SIZES, use_qkv_bias=True, rope_parameters=ROPE)
    save(folder, transformers.StableLmForCausalLM(config), tokenizer())


@family(
    "stablelm_parallel",
    kind="decoder",
    model_type="stablelm",
    facts=Facts((tower(**TOWER, norm="parallel", norms=("input_layernorm",)),)),
    notes=f"attention and MLP read one norm; {NOTES}",
)
def stablelm_parallel(folder: Path) -> None:
    config = transformers.StableLmConfig(**SIZES, use_parallel_residual=True, qk_layernorm=True, rope_parameters=ROPE)
    save(folder, transformers.StableLmForCausalLM(config), tokenizer())
