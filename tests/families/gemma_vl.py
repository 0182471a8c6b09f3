"""PaliGemma and the multimodal Gemma 3: SigLIP's patches in Gemma's stream."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    SiglipImageProcessorPil,
)

from tests.families import Facts, family
from tests.families.parts import BOS, EOS, MARKS, PAD, save, tokenizer
from tests.families.vision_parts import BOXES, SIDE, chat, clip_tower, llama_tower, marks, sizes, squeezed, tower

IMAGE = len(MARKS)
SQUARE = {"height": SIDE, "width": SIDE}
VISION = clip_tower(
    "vision", "model.vision_tower.encoder.layers", 24, 4, final_norm="model.vision_tower.post_layernorm"
)
NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm")
LAYERS, NORM = "model.language_model.layers", "model.language_model.norm"
BOXES |= {"paligemma": squeezed(4), "gemma3": squeezed(2)}


@family(
    "paligemma",
    kind="vision-language",
    facts=Facts(
        (VISION, llama_tower(LAYERS, NORM, causal=False)),
        tied=True,
        image_tokens=16,
        image_order="the 4x4 patches of the picture squeezed to a square, row by row",
        vision_layer=3,
    ),
    notes="the prompt sees itself in both directions, and only a suffix is causal (token_type_ids say which); the "
    "processor writes <bos> after the last image and a newline at the end, and adds 1152 tokens to the vocabulary; "
    "word embeddings are multiplied by sqrt(width), image tokens are not",
)
def paligemma(folder: Path) -> None:
    images = SiglipImageProcessorPil(size=SQUARE, image_seq_length=16)
    images.image_seq_length = 16
    words = tokenizer(extra=("<image>",))
    processor = PaliGemmaProcessor(images, words, chat_template=chat("<image>"))  # adds to `words`
    heads = {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256}
    config = PaliGemmaConfig(
        text_config={"model_type": "gemma", **sizes(**heads, **marks(vocab_size=len(words)))},
        vision_config={"model_type": "siglip_vision_model", **tower(hidden_size=24)},
        projection_dim=32,
        hidden_size=32,
        image_token_index=IMAGE,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    save(folder, PaliGemmaForConditionalGeneration(config), processor)


@family(
    "gemma3",
    kind="vision-language",
    facts=Facts(
        (
            VISION,
            llama_tower(
                LAYERS, NORM, norm="sandwich", attention=NORMS[1], mlp_write=NORMS[3], norms=NORMS, windows={0: 6, 2: 6}
            ),
        ),
        tied=True,
        image_tokens=4,
        image_order="means of 2x2 patches of the picture squeezed to a square, row by row",
        vision_layer=3,
    ),
    notes="the tokens of one picture see each other in both directions, which token_type_ids say; "
    "q and k are normalised by head before they rotate; the writes are the outputs of "
    "post_attention_layernorm "
    "and post_feedforward_layernorm; with pan-and-scan a picture has several parts in the text",
)
def gemma3(folder: Path) -> None:
    extra = ("<image_soft_token>", "<start_of_image>", "<end_of_image>")
    words = tokenizer("<bos> $A", extra=extra, image_token=extra[0], boi_token=extra[1], eoi_token=extra[2])
    text = sizes(
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=256,
        query_pre_attn_scalar=8,
        sliding_window=6,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        **marks(),
    )
    config = Gemma3Config(
        text_config=text,
        vision_config={"model_type": "siglip_vision_model", **tower(hidden_size=24), "vision_use_head": False},
        mm_tokens_per_image=4,
        image_token_index=IMAGE,
        boi_token_index=IMAGE + 1,
        eoi_token_index=IMAGE + 2,
    )
    images = Gemma3ImageProcessorPil(size=SQUARE, image_seq_length=4)
    processor = Gemma3Processor(images, words, chat_template=chat("<start_of_image>"), image_seq_length=4)
    save(folder, Gemma3ForConditionalGeneration(config), processor)
