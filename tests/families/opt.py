"""OPT: the pre-norm form of all its sizes but 350m, and the post-norm one of 350m."""

from dataclasses import replace
from pathlib import Path

import transformers

from tests.families import Facts, Tower, family
from tests.families.llama_parts import MARKS
from tests.families.parts import VOCABULARY, save, tokenizer

DECODER = Tower(
    "decoder",
    blocks="model.decoder.layers",
    layers=3,
    heads=4,
    kv_heads=4,
    head_dim=12,
    width=48,
    mlp=72,
    norm="pre",
    positions="learned",
    attention="self_attn",
    mlp_write="fc2",
    projection="self_attn.out_proj",
    norms=("self_attn_layer_norm", "final_layer_norm"),
    neurons="fc2",
    final_norm="model.decoder.final_layer_norm",
)

NOTES = (
    "the MLP has no module of its own: fc1 and fc2 stand in the block and see [rows * tokens, width]; "
    "position 0 is row 2 of the table"
)


def build(folder: Path, before: bool, embedding: int) -> None:
    config = transformers.OPTConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        word_embed_proj_dim=embedding,
        num_hidden_layers=3,
        ffn_dim=72,
        num_attention_heads=4,
        max_position_embeddings=64,
        do_layer_norm_before=before,
        dropout=0.0,
        attention_dropout=0.0,
        **MARKS,
    )
    save(folder, transformers.OPTForCausalLM(config), tokenizer("<eos> $A"))


@family("opt", kind="decoder", facts=Facts((DECODER,), tied=True), notes=NOTES)
def opt(folder: Path) -> None:
    build(folder, before=True, embedding=48)


@family(
    "opt_post",
    kind="decoder",
    model_type="opt",
    facts=Facts((replace(DECODER, norm="post", final_norm=""),), tied=True),
    notes=f"{NOTES}; project_in and project_out stand between the narrower embeddings and the stream",
)
def opt_post(folder: Path) -> None:
    build(folder, before=False, embedding=32)
