"""Checkpoints whose weights are packed: loaded by transformers where the package of the packing is there."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import ModelRef

# What is to be installed, by the name that a config gives to its method; all need accelerate, or get on better with it.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "bitsandbytes": ("accelerate", "bitsandbytes"),
    "bitsandbytes_4bit": ("accelerate", "bitsandbytes"),
    "bitsandbytes_8bit": ("accelerate", "bitsandbytes"),
    "gptq": ("accelerate", "optimum", "gptqmodel"),
    "awq": ("accelerate", "gptqmodel"),
    "fp8": ("accelerate",),
    "compressed-tensors": ("accelerate", "compressed_tensors"),
    "torchao": ("accelerate", "torchao"),
    "hqq": ("accelerate", "hqq"),
    "quanto": ("accelerate", "optimum"),
    "mxfp4": ("accelerate",),
    "aqlm": ("accelerate", "aqlm"),
    "auto-round": ("accelerate", "auto_round"),
}


def method_of(config: Mapping[str, Any]) -> str | None:
    """How the weights are packed, or `None` where they are not."""
    text = config.get("text_config")
    said = config.get("quantization_config") or (text.get("quantization_config") if isinstance(text, Mapping) else None)
    if said is None:
        return None
    method = said.get("quant_method") if isinstance(said, Mapping) else None
    if method is None and isinstance(said, Mapping) and (said.get("load_in_4bit") or said.get("load_in_8bit")):
        return "bitsandbytes"
    return str(method)


def check_packages(ref: ModelRef, config: Mapping[str, Any]) -> None:
    """The packages that a device map and a packing need are installed.

    Raises:
        DiagnosticError: CQ546 a package that is missing, or a packing that transformers does not know.
    """
    if ref.device_map is not None and find_spec("accelerate") is None:
        raise absent(ref, "`device_map`", ("accelerate",))
    method = method_of(config)
    if method is None:
        return
    if method not in PACKAGES and method not in AUTO_QUANTIZER_MAPPING:
        raise error(
            "CQ546",
            f"the weights of `{ref.source}` are packed by `{method}`, which is not known",
            ref.span,
            "this model",
            help=f"known are {', '.join(sorted(AUTO_QUANTIZER_MAPPING))}",
        )
    missing = tuple(p for p in PACKAGES.get(method, ("accelerate",)) if find_spec(p) is None)
    if missing:
        raise absent(ref, f"weights packed by `{method}`", missing)


def absent(ref: ModelRef, what: str, packages: tuple[str, ...], why: str = "") -> DiagnosticError:
    """CQ546: packages that are not there."""
    names = [p.replace("_", "-") for p in packages]
    return error(
        "CQ546",
        why
        or f"{what} of `{ref.source}` need{'s' if what.startswith('`') else ''} {' and '.join(names)}, which "
        f"{'is' if len(names) == 1 else 'are'} not installed",
        ref.span,
        "this model",
        help=f"pip install {' '.join(names)}" if names else "take the same model with weights that are not packed",
    )
