"""Qwen2: Llama with biases at q, k and v; and its mixture of experts with one that all tokens use."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, tower
from tests.families.parts import byte_tokenizer, save, tokenizer

HEAD = {"head_dim": 16, "rotary_dims": 16}
SPARSE = tower(
    **HEAD,
    experts=4,
    experts_per_token=2,
    expert_mlp=32,
    shared_expert=40,
    sparse=(0, 2),
    router="mlp.gate",
)


@family(
    "qwen2",
    kind="decoder",
    facts=Facts((tower(**HEAD),), tied=True),
    notes="AutoTokenizer makes a byte-level BPE of every folder of model_type qwen2, whatever tokenizer.json says; "
    f"{CASTS}",
)
def qwen2(folder: Path) -> None:
    words = byte_tokenizer()
    config = transformers.Qwen2Config(**{**SIZES, "vocab_size": len(words)}, tie_word_embeddings=True)
    save(folder, transformers.Qwen2ForCausalLM(config), words)


@family(
    "qwen2_moe",
    kind="decoder",
    facts=Facts((SPARSE,)),
    notes=f"layer 1 is dense; a sigmoid gate weighs the shared expert; routing weights do not sum to 1; {CASTS}, "
    'and needs experts_implementation="eager"',
)
def qwen2_moe(folder: Path) -> None:
    config = transformers.Qwen2MoeConfig(
        **SIZES,
        moe_intermediate_size=32,
        shared_expert_intermediate_size=40,
        num_experts=4,
        num_experts_per_tok=2,
        mlp_only_layers=[1],
    )
    save(folder, transformers.Qwen2MoeForCausalLM(config), tokenizer())
