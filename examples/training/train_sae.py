"""Train a sparse autoencoder of the stream that leaves block 0 of the indirect-object model. Some seconds on one core.

Usage::

    python examples/training/train_sae.py --out examples/models/ioi_sae.safetensors

128 features of which the 8 largest are kept (TopK), unit decoder directions, the first position of each prompt left
out. Data: half the prompts of `ioi.jsonl` and all of `ioi_pairs.jsonl`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from jsonl import read_jsonl
from lab import EXAMPLES
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

FEATURES, KEPT, STEPS, BATCH, RATE = 128, 8, 1500, 512, 2e-3


def streams(folder: Path) -> Tensor:
    """[places, 64] what leaves block 0."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    data = EXAMPLES / "data"
    texts = [row["clean"] for row in read_jsonl(data / "ioi.jsonl")[::2]]
    texts += [row[c] for row in read_jsonl(data / "ioi_pairs.jsonl") for c in ("base", "source")]
    found = []
    with torch.inference_mode():
        for text in texts:
            ids = tokenizer(text, return_tensors="pt")["input_ids"]
            found.append(model(ids, output_hidden_states=True, use_cache=False).hidden_states[1][0, 1:])
    return torch.cat(found).clone()


def train(x: Tensor) -> dict[str, Tensor]:
    """Encoder, decoder and biases."""
    torch.manual_seed(0)
    centre = x.mean(0)
    directions = torch.nn.functional.normalize(torch.randn(FEATURES, x.shape[1]), dim=1)
    parts = {
        "W_enc": directions.T.clone().requires_grad_(),
        "b_enc": torch.zeros(FEATURES, requires_grad=True),
        "W_dec": directions.clone().requires_grad_(),
        "b_dec": centre.clone().requires_grad_(),
    }
    optimizer = torch.optim.Adam(parts.values(), lr=RATE)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        batch = x[torch.randint(len(x), (BATCH,))]
        top = ((batch - parts["b_dec"]) @ parts["W_enc"] + parts["b_enc"]).topk(KEPT, dim=-1)
        features = torch.zeros(len(batch), FEATURES).scatter(-1, top.indices, top.values.relu())
        loss = (features @ parts["W_dec"] + parts["b_dec"] - batch).square().sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            parts["W_dec"] /= parts["W_dec"].norm(dim=1, keepdim=True)
    left = loss.item() / (x - centre).square().sum(-1).mean().item()
    print(f"{len(x)} places, {left:.1%} of the variance left unexplained")
    return {name: p.detach().contiguous() for name, p in parts.items()}


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=EXAMPLES / "models" / "ioi_sae.safetensors")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    parts = train(streams(EXAMPLES / "models" / "ioi"))
    save_file(parts, arguments.out, metadata={"activation": "topk", "k": str(KEPT), "centred": "true"})


if __name__ == "__main__":
    main()
