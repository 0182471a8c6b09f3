"""Pictures to text with a cross-attending decoder: ViT and GPT-2, BLIP, Pix2Struct."""

from __future__ import annotations

from pathlib import Path

from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
    GPT2Config,
    Pix2StructConfig,
    Pix2StructForConditionalGeneration,
    Pix2StructImageProcessorPil,
    Pix2StructProcessor,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessorPil,
)

from tests.families import Facts, Tower, family
from tests.families.parts import BOS, EOS, PAD, SEP, VOCABULARY, save, tokenizer
from tests.families.vision_parts import BOXES, SIDE, clip_tower, marks, sizes, squeezed, tower

BOXES |= {"vision_encoder_decoder": squeezed(4), "blip": squeezed(4)}

GPT2 = Tower(
    "decoder",
    blocks="decoder.transformer.h",
    layers=3,
    heads=5,
    kv_heads=5,
    head_dim=8,
    width=40,
    mlp=56,
    norm="pre",
    positions="learned",
    attention="attn",
    mlp_write="mlp",
    projection="attn.c_proj",
    norms=("ln_1", "ln_cross_attn", "ln_2"),
    neurons="mlp.c_proj",
    final_norm="decoder.transformer.ln_f",
    cross="crossattention",
    cross_projection="crossattention.c_proj",
)


@family(
    "vision_encoder_decoder",
    kind="captioner",
    model_type="vision-encoder-decoder",
    facts=Facts(
        (
            clip_tower(
                "vision",
                "encoder.layers",
                32,
                4,
                attention="attention",
                projection="attention.o_proj",
                norms=("layernorm_before", "layernorm_after"),
                final_norm="encoder.layernorm",
                leading=1,
            ),
            GPT2,
        ),
        unembedding="decoder.lm_head",
        tied=True,
    ),
    notes="enc_to_dec_proj leads from the encoder's width to the decoder's; every block of the decoder has three terms",
)
def vision_encoder_decoder(folder: Path) -> None:
    decoder = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=64,
        n_embd=40,
        n_layer=3,
        n_head=5,
        n_inner=56,
        bos_token_id=BOS,
        eos_token_id=EOS,
        attn_pdrop=0.0,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**tower()), decoder)
    config.decoder_start_token_id, config.pad_token_id = BOS, PAD
    images = ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    save(folder, VisionEncoderDecoderModel(config), tokenizer(), images)


BERT = clip_tower(
    "decoder",
    "text_decoder.bert.encoder.layer",
    32,
    4,
    norm="post",
    attention="attention.output.dense",
    mlp_write="output.dense",
    projection="attention.output.dense",
    neurons="output.dense",
    cross="crossattention.output.dense",
    cross_projection="crossattention.output.dense",
    norms=("attention.output.LayerNorm", "crossattention.output.LayerNorm", "output.LayerNorm"),
    interface=False,
    causal=True,
)


@family(
    "blip",
    kind="captioner",
    facts=Facts(
        (
            clip_tower(
                "vision",
                "vision_model.encoder.layers",
                32,
                4,
                projection="self_attn.projection",
                final_norm="vision_model.post_layernorm",
                leading=1,
                interface=False,
            ),
            BERT,
        ),
        unembedding="text_decoder.cls.predictions.decoder",
    ),
    missing={"sdpa": "BLIP computes its attention itself, in one way"},
    notes="the decoder's order is self-attention, cross-attention, MLP, each followed by its norm; "
    "cls.predictions.transform stands before the unembedding; the vision tower's q, k and v are one qkv",
)
def blip(folder: Path) -> None:
    text = sizes(
        encoder_hidden_size=32,
        max_position_embeddings=64,
        sep_token_id=SEP,
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
        **marks(),
    )
    config = BlipConfig(text_config=text, vision_config=tower(), projection_dim=24, image_text_hidden_size=24)
    images = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    save(folder, BlipForConditionalGeneration(config), BlipProcessor(images, tokenizer("<bos> $A <sep>")))


@family(
    "pix2struct",
    kind="captioner",
    facts=Facts(
        (
            clip_tower(
                "vision",
                "encoder.encoder.layer",
                32,
                4,
                attention="attention",
                projection="attention.output",
                norms=("pre_attention_layer_norm", "pre_mlp_layer_norm"),
                neurons="mlp.wo",
                final_norm="encoder.layernorm",
                patches=24,
            ),
            Tower(
                "decoder",
                blocks="decoder.layer",
                layers=3,
                heads=4,
                kv_heads=4,
                head_dim=8,
                width=32,
                mlp=56,
                norm="pre",
                positions="relative",
                attention="self_attention.attention",
                mlp_write="mlp.DenseReluDense",
                projection="self_attention.attention.output",
                norms=("self_attention.layer_norm", "encoder_decoder_attention.layer_norm", "mlp.layer_norm"),
                neurons="mlp.DenseReluDense.wo",
                final_norm="decoder.final_layer_norm",
                cross="encoder_decoder_attention.attention",
                cross_projection="encoder_decoder_attention.attention.output",
            ),
        ),
        unembedding="decoder.lm_head",
    ),
    notes="a picture is cut into as many patches as its shape asks for, up to max_patches: the processor cuts 2048 "
    "unless that is passed, whatever was saved; a patch comes with its row and column, from 1, and is standardised by "
    "the mean and deviation of the whole picture, so that any pixel moves all patches a little; patches beyond the "
    "picture are zero rows, masked; rows and columns have learned embeddings; both towers are equally wide",
)
def pix2struct(folder: Path) -> None:
    vision = {
        "hidden_size": 32,
        "patch_embed_hidden_size": 3 * 8 * 8,
        "d_ff": 48,
        "d_kv": 8,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "seq_len": 64,  # rows and columns; few as they are, the 2048 patches of the default fit too
        "dropout_rate": 0.0,
    }
    text = {"hidden_size": 32, "d_ff": 56, "d_kv": 8, "num_layers": 3, "num_heads": 4, "dropout_rate": 0.0}
    start = {"decoder_start_token_id": PAD}
    config = Pix2StructConfig(text_config={**text, **marks(**start)}, vision_config=vision, **start)
    images = Pix2StructImageProcessorPil(max_patches=24, patch_size={"height": 8, "width": 8})
    save(folder, Pix2StructForConditionalGeneration(config), Pix2StructProcessor(images, tokenizer()))
