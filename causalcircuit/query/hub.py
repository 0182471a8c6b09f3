"""Fetching a model from the hub, where that is asked for; huggingface_hub is loaded only then."""

from __future__ import annotations

from typing import Literal

from causalcircuit.diagnostics import error
from causalcircuit.query.program import ModelRef

Online = Literal["", "settings", "all"]
"""What may be downloaded of a model on the hub: nothing, its settings and its tokenizer, or its weights too."""

# What is fetched, and no more: no pickle ever, code only where it is trusted.
_SETTINGS = ("*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja")
_WEIGHTS, _CODE, _FOLDERS = "*.safetensors", "*.py", "*/*"


def fetch(ref: ModelRef, what: Online) -> None:
    """Download a snapshot into the local cache of the hub, or what is new of it.

    Raises:
        DiagnosticError: CQ547.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    wanted = [*_SETTINGS]
    wanted += [_WEIGHTS] if what == "all" else []
    wanted += [_CODE] if ref.trust_remote_code else []
    try:
        snapshot_download(ref.source, revision=ref.revision, allow_patterns=wanted, ignore_patterns=[_FOLDERS])
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as problem:  # no such model, no network, no right to it
        lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
        raise error(
            "CQ547",
            f"the model `{ref.source}` cannot be downloaded: {lines[0] if lines else type(problem).__name__}",
            label="a hub name",
            help=(
                "check the name, the revision and the connection; a licence to accept needs `hf auth login`",
                "without `--online` the local cache is used as it is",
            ),
        ) from None
