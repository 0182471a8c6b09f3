"""What both training scripts share: seeding and saving an ordinary checkpoint."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

TRAINING = Path(__file__).resolve().parent
EXAMPLES = TRAINING.parent


def start(seed: int) -> np.random.Generator:
    """Seed every generator in use, pin torch to one thread, and return numpy's generator.

    One thread, so that the order of floating-point sums, and with it the trained file, is the same
    on every run.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    logging.set_verbosity_error()
    return np.random.default_rng(seed)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write model and tokenizer as a Hugging Face folder whose files anyone may read."""
    out.mkdir(parents=True, exist_ok=True)
    model.eval()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)  # save_pretrained writes mode 0600
    print(f"saved {out.name}: {(out / 'model.safetensors').stat().st_size / 1e6:.2f} MB of weights")
