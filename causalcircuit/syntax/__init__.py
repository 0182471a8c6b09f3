"""Text to trees: cutting a file into statements, parsing each alone, errors as diagnostics."""

from causalcircuit.syntax.chunks import Chunk, cut, is_complete
from causalcircuit.syntax.parser import Statement, opening_words, parse, parse_expression
from causalcircuit.syntax.trees import inner, span_of, text_of

__all__ = [
    "Chunk",
    "Statement",
    "cut",
    "inner",
    "is_complete",
    "opening_words",
    "parse",
    "parse_expression",
    "span_of",
    "text_of",
]
