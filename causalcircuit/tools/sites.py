"""`cq sites`: a model's addresses, with what is proven of each."""

from __future__ import annotations

import os
import re
from pathlib import Path

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.query import ModelRef
from causalcircuit.query.program import AttentionKind, DType
from causalcircuit.tools import exits, streams
from causalcircuit.tools.progress import waiting


def sites(model: str, dtype: DType, attention: AttentionKind, machine: bool, online: bool) -> int:
    """Load a model, or those of a file, list their sites, and return the exit code.

    Models of a file are loaded as it says.
    """
    from causalcircuit import runs

    try:
        if model.endswith(".cq"):
            program = runs.check(Path(model), "all" if online else "")
            with waiting(f"loading and proving the models of {model}"):
                found = [runs.list_sites(ref) for ref in program.models.values()]
            streams.show_all_sites(found, machine=machine)
            if not machine:
                streams.complain(program.warnings)
            return exits.OK
        folder = Path(model).resolve() if model[:1] in ("/", ".") or os.path.isdir(model) else None
        name = re.sub(r"\W", "_", Path(model).name) or "m"
        ref = ModelRef(name, model, folder, dtype=dtype, attention=attention)
        if online and folder is None:
            from causalcircuit.query.hub import fetch

            fetch(ref, "all")
        with waiting(f"loading and proving {model}"):
            listing = runs.list_sites(ref)
    except DiagnosticError as problem:
        if machine:
            streams.show_json(None, problem.diagnostics)
        else:
            streams.complain(problem.diagnostics)
        return exits.BEFORE
    streams.show_sites(listing, machine=machine)
    return exits.OK
