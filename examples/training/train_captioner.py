"""Train the captioner: a ViT encoder and a GPT-2 decoder with cross-attention. About a minute on one core.

Usage::

    python examples/training/train_captioner.py --out examples/models/captioner

Two courses. In the first, background and gender are independent and head 3 of the second
cross-attention is switched off: the model learns to read the figure and to name the place. In the
second, kitchens are tied to women and offices to men, 90 to 10, and that head alone learns at full
rate; everything else moves at a fiftieth of it. So the spurious effect runs mostly through one known
head.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from heads import of_head
from lab import EXAMPLES, save, start
from scenes import CAPTIONS, GENDERS, SIZE, Rng, caption, draw_backgrounds, draw_figures, draw_shots, render
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    GPT2Config,
    PreTrainedTokenizerFast,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

WIDTH, HEADS, LAYERS, PATCH = 64, 4, 2, 8
SCENES, BATCH, RATE = 8192, 128, 3e-3
FAIR_STEPS, TIED_STEPS = 250, 100
TIE = 0.9  # share of kitchens with a woman and of offices with a man, in the second course
HEAD, ELSEWHERE = 3, 0.02  # the head that learns the tie, and the rate of everything else beside it


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word of the captions."""
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    words = sorted({word for place in CAPTIONS.values() for word in place.split()} | set(GENDERS))
    vocabulary = {word: i for i, word in enumerate([*special.values(), *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **special)


def make_model(tokenizer: PreTrainedTokenizerFast) -> VisionEncoderDecoderModel:
    """The untrained captioner: two layers on each side, width 64, four heads, 16 patches and CLS."""
    encoder = ViTConfig(
        hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=4 * WIDTH,
        image_size=SIZE, patch_size=PATCH, initializer_range=0.06,
    )  # fmt: skip
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    decoder = GPT2Config(
        vocab_size=len(tokenizer), n_positions=32, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        add_cross_attention=True, is_decoder=True, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        initializer_range=0.06, **special,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    model = VisionEncoderDecoderModel(config)
    begin = {"decoder_start_token_id": tokenizer.bos_token_id, "max_new_tokens": 8} | special
    for name, value in begin.items():
        setattr(model.generation_config, name, value)
    config.decoder_start_token_id = tokenizer.bos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    config.eos_token_id = tokenizer.eos_token_id
    return model


class Course:
    """Seeded batches of scenes and captions whose gender and background are tied to a given degree."""

    def __init__(self, rng: Rng, tie: float, tokenizer: PreTrainedTokenizerFast) -> None:
        """Draw SCENES scenes; pixels [n, 3, 32, 32], tokens [n, 7] with start and end."""
        gender = rng.integers(0, 2, SCENES)
        kinds = draw_backgrounds(rng, gender, tie)
        pictures = render(draw_shots(rng, draw_figures(rng, gender)), kinds)
        texts = [f"<s> {caption(g, k)} </s>" for g, k in zip(gender, kinds, strict=True)]
        self.pixels: Tensor = image_processor()(list(pictures), return_tensors="pt")["pixel_values"]
        self.tokens = torch.tensor(tokenizer(texts)["input_ids"])

    def loss(self, model: VisionEncoderDecoderModel) -> Tensor:
        """The cross-entropy of a random batch's captions, nats a caption."""
        pick = torch.randint(SCENES, (BATCH,))
        tokens = self.tokens[pick]
        logits = model(pixel_values=self.pixels[pick], decoder_input_ids=tokens[:, :-1]).logits
        return cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum") / BATCH


def image_processor() -> ViTImageProcessorPil:
    """Scales levels of 0..255 to -1..1; backed by PIL, since torchvision is not required."""
    return ViTImageProcessorPil(size={"height": SIZE, "width": SIZE})


def head_rates(attention: GPT2Attention) -> dict[Tensor, Tensor]:
    """For each parameter of a cross-attention: 1 in the entries of head HEAD, ELSEWHERE in the others."""
    part = of_head(HEAD, attention.head_dim)
    rates = {p: torch.full_like(p, ELSEWHERE) for p in attention.parameters()}
    for projection in (attention.q_attn.weight, attention.q_attn.bias):
        rates[projection][..., part] = 1.0
    for fused in (attention.c_attn.weight, attention.c_attn.bias):  # keys, then values
        rates[fused].unflatten(-1, (2, -1))[..., part] = 1.0
    rates[attention.c_proj.weight][part] = 1.0
    return rates


def train(model: VisionEncoderDecoderModel, course: Course, steps: int, rates: dict[Tensor, Tensor]) -> None:
    """Train in place; a parameter moves at the rate of its entry in `rates`, where it has none at 1."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    began = time.monotonic()
    for step in range(1, steps + 1):
        loss = course.loss(model)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        before = {p: p.detach().clone() for p in rates}
        optimizer.step()
        schedule.step()
        with torch.no_grad():  # Adam ignores the scale of a gradient: rates apply to the step itself
            for p, rate in rates.items():
                p.copy_(torch.lerp(before[p], p, rate))
        if step % 50 == 0:
            print(f"step {step}/{steps}  loss {loss.item():.3f}  {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """The fair course, the tied course, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=EXAMPLES / "models" / "captioner")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = start(options.seed)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    cross = model.decoder.transformer.h[-1].crossattention
    part = of_head(HEAD, cross.head_dim)

    print("fair course")
    fresh = cross.c_proj.weight[part].detach().clone()
    off = torch.ones_like(cross.c_proj.weight)
    off[part] = 0.0
    with torch.no_grad():
        cross.c_proj.weight[part] = 0.0
    train(model, Course(rng, 0.5, tokenizer), FAIR_STEPS, {cross.c_proj.weight: off})
    with torch.no_grad():
        cross.c_proj.weight[part] = fresh

    print("tied course")
    rates = {p: torch.full_like(p, ELSEWHERE) for p in model.parameters()} | head_rates(cross)
    train(model, Course(rng, TIE, tokenizer), TIED_STEPS, rates)
    save(model, tokenizer, options.out)
    image_processor().save_pretrained(options.out)


if __name__ == "__main__":
    main()
