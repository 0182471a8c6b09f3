"""Mixtral: every layer's MLP is a mixture of experts."""

from pathlib import Path

import transformers

from tests.families import Facts, family
from tests.families.llama_parts import CASTS, SIZES, WIDE, tower
from tests.families.parts import save, tokenizer

DECODER = tower(mlp=0, neurons="", experts=4, experts_per_token=2, expert_mlp=80, sparse=(0, 1, 2), router="mlp.gate")


@family(
    "mixtral",
    kind="decoder",
    facts=Facts((DECODER,)),
    notes=f'experts are stacked parameters (mlp.experts); {CASTS}, and needs experts_implementation="eager"',
)
def mixtral(folder: Path) -> None:
    config = transformers.MixtralConfig(**SIZES, **WIDE, num_local_experts=4, num_experts_per_tok=2)
    save(folder, transformers.MixtralForCausalLM(config), tokenizer("<bos> $A"))
