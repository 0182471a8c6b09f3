"""PaliGemma: a prefix language model."""

from causalcircuit.models.families import exception

exception(
    "paligemma",
    causal=False,
    because="the whole prompt, image and text, sees itself; only what is generated is causal (arXiv 2407.07726, 3.2)",
)
