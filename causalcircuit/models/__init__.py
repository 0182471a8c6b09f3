"""A Hugging Face model as sites: roles found by structure, taps that are proven, feeding, positions, answers."""

from causalcircuit.models.answers import check_answers, encode_answer, other_spelling, respelled
from causalcircuit.models.chat import has_template, spoken
from causalcircuit.models.feed import Batch, Feed
from causalcircuit.models.images import check_image, media, patches_inside
from causalcircuit.models.load import load
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.positions import Ground, resolve
from causalcircuit.models.problem import RowError
from causalcircuit.models.prompt import Prompt, check_tokens, tokenize
from causalcircuit.models.proofs import assure
from causalcircuit.models.taps import Visit

__all__ = [
    "Batch",
    "Feed",
    "Ground",
    "LoadedModel",
    "Prompt",
    "RowError",
    "Visit",
    "assure",
    "check_answers",
    "check_image",
    "check_tokens",
    "encode_answer",
    "has_template",
    "load",
    "media",
    "other_spelling",
    "patches_inside",
    "resolve",
    "respelled",
    "spoken",
    "tokenize",
]
