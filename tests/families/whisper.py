"""Whisper: sounds to text."""

from __future__ import annotations

from pathlib import Path

from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperProcessor

from tests.families import Facts, family
from tests.families.parts import BOS, EOS, PAD, VOCABULARY, save, tokenizer
from tests.families.vision_parts import clip_tower

LOOSE = {"mlp_write": "fc2", "neurons": "fc2"}


@family(
    "whisper",
    kind="audio",
    facts=Facts(
        (
            clip_tower(
                "encoder",
                "model.encoder.layers",
                32,
                4,
                positions="sinusoidal",
                norms=("self_attn_layer_norm", "final_layer_norm"),
                final_norm="model.encoder.layer_norm",
                **LOOSE,
            ),
            clip_tower(
                "decoder",
                "model.decoder.layers",
                32,
                4,
                mlp=56,
                norms=("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
                final_norm="model.decoder.layer_norm",
                cross="encoder_attn",
                cross_projection="encoder_attn.out_proj",
                causal=True,
                **LOOSE,
            ),
        ),
        unembedding="proj_out",
        tied=True,
    ),
    notes="the MLP has no module of its own: fc1 and fc2 stand in the block; a sound is padded to 100 frames of 10 ms, "
    "which the second convolution halves to 50 positions; k_proj has no bias",
)
def whisper(folder: Path) -> None:
    config = WhisperConfig(
        vocab_size=VOCABULARY,
        num_mel_bins=16,
        d_model=32,
        encoder_layers=3,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=56,
        max_source_positions=50,
        max_target_positions=64,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
    )
    sounds = WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    save(folder, WhisperForConditionalGeneration(config), WhisperProcessor(sounds, tokenizer("<bos> $A <eos>")))
