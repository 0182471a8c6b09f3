"""CLIP: its text is read by a causal tower, though it writes none."""

from causalcircuit.models.families import exception

exception("clip", causal=True, because="masked self-attention in the text encoder (arXiv 2103.00020, 2.4)")
