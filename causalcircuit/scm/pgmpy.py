"""The adapter to pgmpy: fitted models as its Bayesian networks, for its own tools. Its import takes seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._linear import Regression
from causalcircuit.scm.discrete import Discrete
from causalcircuit.scm.linear import Linear


def to_pgmpy(mechanisms: Linear | Discrete) -> Any:
    """A `LinearGaussianBayesianNetwork` or `DiscreteBayesianNetwork` of pgmpy with the fitted mechanisms.

    Levels of discrete variables are their values, as text where the column holds text.

    Raises:
        DiagnosticError: CQ882, the diagram has `<->`, which these networks have not.
    """
    diagram = mechanisms.diagram
    if diagram.bidirected:
        a, b = diagram.bidirected[0]
        raise error(
            "CQ882",
            f"`{a} <-> {b}`: a Bayesian network has no shared errors",
            help="measure the shared cause, or ask the fitted model itself",
        )
    return _linear(mechanisms, diagram) if isinstance(mechanisms, Linear) else _discrete(mechanisms, diagram)


def _linear(model: Linear, diagram: Diagram) -> Any:
    from pgmpy.factors.continuous import LinearGaussianCPD
    from pgmpy.models import LinearGaussianBayesianNetwork

    made = LinearGaussianBayesianNetwork(list(diagram.directed))
    made.add_nodes_from(diagram.vertices)
    frame = diagram.frame
    for i, name in enumerate(frame.names):
        causes = frame.named(frame.graph.pa[i])
        design = np.stack([np.ones(model.data.n), *(model.data[c].values for c in causes)], axis=1)
        fit = Regression.of(model.data, design, ("1", *causes), model.data[name].values[:, None])
        beta = fit.coefficients(fit.sums(model.data).total()[None])[0, :, 0]
        rest = model.data[name].values - design @ beta
        spread = float(np.sqrt(np.average(rest**2, weights=model.data.weight)))
        made.add_cpds(LinearGaussianCPD(name, beta.tolist(), spread, list(causes)))
    return made


def _discrete(model: Discrete, diagram: Diagram) -> Any:
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    made = DiscreteBayesianNetwork(list(diagram.directed))
    made.add_nodes_from(diagram.vertices)
    states = {v: [a.shown(i) if a.column.labels else float(a.values[i]) for i in range(a.size)]
              for v, a in model.axes.items()}  # fmt: skip
    frame = diagram.frame
    for i, name in enumerate(frame.names):
        causes = frame.named(frame.graph.pa[i])
        table = model.table((*causes, name))
        size = model.axes[name].size
        made.add_cpds(
            TabularCPD(
                name,
                size,
                table.reshape(-1, size).T,
                evidence=list(causes) or None,
                evidence_card=[model.axes[c].size for c in causes] or None,
                state_names={v: states[v] for v in (name, *causes)},
            )
        )
    return made
