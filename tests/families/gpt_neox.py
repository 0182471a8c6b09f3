"""GPT-NeoX (Pythia): parallel blocks with two norms, and the sequential form that the config also allows."""

from pathlib import Path
from typing import Any

import transformers

from tests.families import Facts, Tower, family
from tests.families.llama_parts import MARKS
from tests.families.parts import VOCABULARY, save, tokenizer

TOWER: dict[str, Any] = {
    "name": "decoder",
    "blocks": "gpt_neox.layers",
    "layers": 3,
    "heads": 4,
    "kv_heads": 4,
    "head_dim": 16,
    "width": 64,
    "mlp": 80,
    "positions": "rotary",
    "rotary_dims": 8,
    "attention": "attention",
    "mlp_write": "mlp",
    "projection": "attention.dense",
    "norms": ("input_layernorm", "post_attention_layernorm"),
    "neurons": "mlp.dense_4h_to_h",
    "final_norm": "gpt_neox.final_layer_norm",
}
NOTES = "q, k and v come of one Linear, interleaved by head; half of a head's dimensions rotate; "


def build(folder: Path, parallel: bool) -> None:
    config = transformers.GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=80,
        max_position_embeddings=64,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
        use_parallel_residual=parallel,
        **MARKS,
    )
    save(folder, transformers.GPTNeoXForCausalLM(config), tokenizer())


@family(
    "gpt_neox",
    kind="decoder",
    facts=Facts((Tower(**TOWER, norm="parallel"),)),
    notes=f"{NOTES}post_attention_layernorm normalises the block's input",
)
def gpt_neox(folder: Path) -> None:
    build(folder, parallel=True)


@family(
    "gpt_neox_sequential",
    kind="decoder",
    model_type="gpt_neox",
    facts=Facts((Tower(**TOWER, norm="pre"),)),
    notes=NOTES,
)
def gpt_neox_sequential(folder: Path) -> None:
    build(folder, parallel=False)
