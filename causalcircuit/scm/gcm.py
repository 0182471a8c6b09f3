"""The adapter to DoWhy's gcm: a fitted additive-noise model for its own tools. Its import takes seconds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from causalcircuit.inference.observed._table import Floats


def to_gcm(parents: Mapping[str, tuple[str, ...]], columns: Mapping[str, Floats], degree: int) -> Any:
    """An invertible causal model of gcm, fitted to columns, for its own tools."""
    import networkx as nx
    import pandas as pd
    from dowhy import gcm

    gcm.config.disable_progress_bars()
    drawn = nx.DiGraph()
    drawn.add_nodes_from(parents)
    drawn.add_edges_from((p, v) for v, causes in parents.items() for p in causes)
    model = gcm.InvertibleStructuralCausalModel(drawn)
    for v, causes in parents.items():
        regressor = gcm.ml.create_linear_regressor if degree == 1 else gcm.ml.create_polynom_regressor
        options = {} if degree == 1 else {"degree": degree}
        kind = gcm.AdditiveNoiseModel(prediction_model=regressor(**options)) if causes else gcm.EmpiricalDistribution()
        model.set_causal_mechanism(v, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gcm.fit(model, pd.DataFrame({v: columns[v] for v in parents}))
    return model
