"""Everything that can be wrong, as data: the type, the catalogue of codes, one renderer per surface."""

from causalcircuit.diagnostics.catalogue import codes, page, title
from causalcircuit.diagnostics.data import to_json
from causalcircuit.diagnostics.diagnostic import Diagnostic, DiagnosticError, Fix, Label, error, warning
from causalcircuit.diagnostics.source import Source, Span
from causalcircuit.diagnostics.suggest import did_you_mean, instead_of, nearest
from causalcircuit.diagnostics.text import render, render_all

__all__ = [
    "Diagnostic",
    "DiagnosticError",
    "Fix",
    "Label",
    "Source",
    "Span",
    "codes",
    "did_you_mean",
    "error",
    "instead_of",
    "nearest",
    "page",
    "render",
    "render_all",
    "title",
    "to_json",
    "warning",
]
