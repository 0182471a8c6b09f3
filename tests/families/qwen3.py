"""Qwen3: Llama with norms at each head's q and k; and its mixture of experts, the first layer dense."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, WIDE, tower
from tests.families.parts import save, tokenizer

SPARSE = tower(experts=4, experts_per_token=2, expert_mlp=32, sparse=(1, 2), router="mlp.gate")


@family("qwen3", kind="decoder", facts=Facts((tower(),), tied=True), notes=CASTS)
def qwen3(folder: Path) -> None:
    config = transformers.Qwen3Config(**SIZES, **WIDE, tie_word_embeddings=True)
    save(folder, transformers.Qwen3ForCausalLM(config), tokenizer())


@family(
    "qwen3_moe",
    kind="decoder",
    facts=Facts((SPARSE,)),
    notes=f'{CASTS}, and needs experts_implementation="eager"',
)
def qwen3_moe(folder: Path) -> None:
    config = transformers.Qwen3MoeConfig(
        **SIZES,
        **WIDE,
        moe_intermediate_size=32,
        num_experts=4,
        num_experts_per_tok=2,
        norm_topk_prob=True,
        mlp_only_layers=[0],
    )
    save(folder, transformers.Qwen3MoeForCausalLM(config), tokenizer())
