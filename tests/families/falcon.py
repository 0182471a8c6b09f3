"""Falcon: the parallel blocks of 40B with two norms, and the sequential ones of the RW models with alibi."""

from pathlib import Path
from typing import Any

import transformers

from tests.families import Facts, Tower, family
from tests.families.llama_parts import MARKS
from tests.families.parts import VOCABULARY, save, tokenizer

TOWER: dict[str, Any] = {
    "name": "decoder",
    "blocks": "transformer.h",
    "layers": 3,
    "heads": 4,
    "head_dim": 12,
    "width": 48,
    "mlp": 72,
    "attention": "self_attention",
    "mlp_write": "mlp",
    "projection": "self_attention.dense",
    "neurons": "mlp.dense_4h_to_h",
    "final_norm": "transformer.ln_f",
    "interface": False,
}
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "ffn_hidden_size": 72,
    "max_position_embeddings": 64,
    **MARKS,
}


@family(
    "falcon",
    kind="decoder",
    facts=Facts(
        (Tower(**TOWER, kv_heads=2, norm="parallel", norms=("ln_attn", "ln_mlp"), positions="rotary", rotary_dims=12),),
        tied=True,
    ),
    notes="attention's output is added in place into the MLP's; k and v are repeated for every query head before "
    "they are rotated and cached; q, k and v come of one Linear, interleaved by KV head",
)
def falcon(folder: Path) -> None:
    config = transformers.FalconConfig(
        **SIZES, new_decoder_architecture=True, num_kv_heads=2, multi_query=True, parallel_attn=True, bias=False
    )
    save(folder, transformers.FalconForCausalLM(config), tokenizer())


@family(
    "falcon_alibi",
    kind="decoder",
    model_type="falcon",
    facts=Facts(
        (
            Tower(
                **TOWER,
                kv_heads=4,
                norm="pre",
                norms=("input_layernorm", "post_attention_layernorm"),
                positions="alibi",
            ),
        ),
        tied=True,
    ),
    notes="eager adds alibi twice, to the scores and within the mask, sdpa once: the two differ; a table of rotations "
    "is there but unused; q, k and v come of one Linear, interleaved by head",
)
def falcon_alibi(folder: Path) -> None:
    config = transformers.FalconConfig(
        **SIZES, new_decoder_architecture=False, multi_query=False, parallel_attn=False, alibi=True, bias=True
    )
    save(folder, transformers.FalconForCausalLM(config), tokenizer())
