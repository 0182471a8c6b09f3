"""CausalCircuit: causal questions asked of the insides of Hugging Face models.

``import causalcircuit as cq`` offers the same questions as the ``.cq`` language, as Python objects and as
``cq.run(path_or_text)``.  The import is light: a name is fetched from `causalcircuit.api` when it is first
used, so that neither torch nor any other heavy library is loaded before a question is asked (PEP 562).
"""

from causalcircuit._faces import fetched

__version__ = "0.1.0"  # the build reads it here: asking the installed metadata would cost every start 40 ms

# Module -> the public names that it provides.  A new public name is one word here.
_LAZY = {
    "api": (
        "run", "program", "plan", "model", "module", "sae", "transcoder", "data", "row",
        "estimate", "hypothesis", "family", "freeze", "test", "power", "show", "sweep", "except_", "each",
        "pictures", "Sweep",
        "E", "P", "do", "mean", "direction", "pc1", "unit", "project_out", "noise", "vector", "draw", "resample",
        "norm", "dot", "cosine", "kl", "readout", "known", "picture", "logit", "nat", "pp",
        "quantile", "correlation", "area",
        "last", "first", "all", "new", "token", "span", "inside", "outside", "patch", "wire",
        "attribute", "circuit", "load_circuit", "smallest", "Circuit", "saliency",
        "claim", "aligned", "high_level", "var", "std", "refute",
        "graph", "identify", "independent", "wiring", "load_graph", "diagram", "discover", "observe", "fit",
        "abstraction", "examine",
        "Data", "Do", "Drawing", "Family", "Hypothesis", "Model", "Quantity", "Structure", "Until",
    ),
    "diagnostics": ("Diagnostic", "DiagnosticError"),
    "runs": ("AfterPass",),
}  # fmt: skip

_HOME = {name: module for module, names in _LAZY.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604


__getattr__ = fetched(__name__, _HOME)


def __dir__() -> list[str]:
    """Return every public name, so that completion knows those that are not loaded yet."""
    return sorted({*globals(), *_HOME})
