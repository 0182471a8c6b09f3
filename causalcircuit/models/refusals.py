"""The refusals of a model that several parts of loading share."""

from __future__ import annotations

from causalcircuit.diagnostics import DiagnosticError, error
from causalcircuit.query import ModelRef


def broken(ref: ModelRef, why: str) -> DiagnosticError:
    """CQ531: the files are there, and no model comes of them."""
    return error(
        "CQ531",
        f"the model `{ref.source}` does not load: {why}",
        ref.span,
        "this model",
        help="check that config.json and the weights belong together, and that no file was cut off",
    )


def pickled(ref: ModelRef, names: str) -> DiagnosticError:
    """CQ530: weights that only unpickling could read."""
    return error(
        "CQ530",
        f"the weights of `{ref.source}` are pickles ({names})",
        ref.span,
        "this model",
        help="a pickle can run code: load it once where that is safe and save it with `save_pretrained`, "
        "which writes safetensors",
    )


def first_line(problem: BaseException) -> str:
    """What an exception of another library says, in a line."""
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)
