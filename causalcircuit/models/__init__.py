"""A Hugging Face model as sites: roles found by structure, taps that are proven, feeding, positions, answers."""

from causalcircuit.models.answers import check_answers, encode_answer, other_spelling, respelled
from causalcircuit.models.cached import Cached, cache_holds, cacheable
from causalcircuit.models.chat import has_template, spoken
from causalcircuit.models.contract.close import close
from causalcircuit.models.contract.places import places_of
from causalcircuit.models.decoding import (
    Written,
    as_rows,
    choose,
    end_tokens,
    no_text,
    unfollowed,
    writes_text,
    written,
)
from causalcircuit.models.dictionary import Codec, codec_of, with_dictionaries
from causalcircuit.models.feed import Batch, Feed
from causalcircuit.models.images import Pictures, check_image, media, open_image
from causalcircuit.models.load import load
from causalcircuit.models.model import LoadedModel
from causalcircuit.models.module_net import number_feed
from causalcircuit.models.modules import Wanted, with_modules
from causalcircuit.models.moments import moments_of
from causalcircuit.models.narrow import narrowed, packed
from causalcircuit.models.overlay import needed, tapped, unsettled
from causalcircuit.models.positions import NEW, Ground, resolve
from causalcircuit.models.problem import RowError
from causalcircuit.models.prompt import Prompt, check_tokens, illustrated, tokenize
from causalcircuit.models.proofs import assure
from causalcircuit.models.replay import Trace, has_prefix, rebatched, record, resumed
from causalcircuit.models.roles import Attention, Block, Stack, Term
from causalcircuit.models.sketch import block_lists, sketch
from causalcircuit.models.sounds import check_sound
from causalcircuit.models.taps import ModuleTap, Tap, Visit
from causalcircuit.models.unembedding import unembedding

__all__ = [
    "NEW",
    "Attention",
    "Batch",
    "Block",
    "Cached",
    "Codec",
    "Feed",
    "Ground",
    "LoadedModel",
    "ModuleTap",
    "Pictures",
    "Prompt",
    "RowError",
    "Stack",
    "Tap",
    "Term",
    "Trace",
    "Visit",
    "Wanted",
    "Written",
    "as_rows",
    "assure",
    "block_lists",
    "cache_holds",
    "cacheable",
    "check_answers",
    "check_image",
    "check_sound",
    "check_tokens",
    "choose",
    "close",
    "codec_of",
    "encode_answer",
    "end_tokens",
    "has_prefix",
    "has_template",
    "illustrated",
    "load",
    "media",
    "moments_of",
    "narrowed",
    "needed",
    "no_text",
    "number_feed",
    "open_image",
    "other_spelling",
    "packed",
    "places_of",
    "rebatched",
    "record",
    "resolve",
    "respelled",
    "resumed",
    "sketch",
    "spoken",
    "tapped",
    "tokenize",
    "unembedding",
    "unfollowed",
    "unsettled",
    "with_dictionaries",
    "with_modules",
    "writes_text",
    "written",
]
