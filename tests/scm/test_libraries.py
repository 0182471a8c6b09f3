"""The same answers from pgmpy and DoWhy's gcm, where they are right (their imports take seconds)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from causalcircuit.diagnostics import DiagnosticError
from causalcircuit.scm import fit
from causalcircuit.scm.additive import Additive
from causalcircuit.scm.discrete import Discrete
from causalcircuit.scm.linear import Linear

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
RNG = np.random.default_rng(0)
N = 400
G = "Z -> X, Z -> Y, X -> M, M -> Y, X -> Y"


def lines() -> dict[str, np.ndarray]:
    z = RNG.normal(size=N)
    x = z + RNG.normal(size=N)
    m = 0.5 * x + RNG.normal(size=N)
    return {"Z": z, "X": x, "M": m, "Y": m - x + z + RNG.normal(size=N)}


def cells() -> dict[str, np.ndarray]:
    z = RNG.integers(0, 3, N)
    x = (RNG.random(N) < 0.2 + 0.2 * z).astype(int)
    m = (RNG.random(N) < 0.3 + 0.4 * x).astype(int)
    return {"Z": z, "X": x, "M": m, "Y": (RNG.random(N) < 0.1 + 0.2 * x + 0.2 * m + 0.1 * z).astype(int)}


def test_linear_gaussian_networks() -> None:
    """Coefficients and law of the network that pgmpy fits; means under `do` of the one that is handed over."""
    import pandas as pd
    from pgmpy.models import LinearGaussianBayesianNetwork

    from causalcircuit.scm.pgmpy import to_pgmpy

    table = lines()
    model = fit(table, G)
    assert isinstance(model.mechanisms, Linear)
    ours = to_pgmpy(model.mechanisms)
    theirs = LinearGaussianBayesianNetwork(list(model.diagram.directed))
    theirs.fit(pd.DataFrame(table))
    for v in table:
        a, b = ours.get_cpds(v), theirs.get_cpds(v)
        slopes = dict(zip(b.evidence, b.beta[1:], strict=True))
        assert a.beta[0] == pytest.approx(b.beta[0], abs=1e-9)
        assert dict(zip(a.evidence, a.beta[1:], strict=True)) == pytest.approx(slopes)
    made = ours.simulate(n_samples=200_000, do={"X": 2.0}, seed=1)
    assert model.mean("Y", {"X": 2.0}).value == pytest.approx(float(made["Y"].mean()), abs=0.03)


def test_discrete_networks() -> None:
    """Truncated factorisation by pgmpy's elimination in the mutilated network; its fit under the same prior."""
    import pandas as pd
    from pgmpy.inference import VariableElimination

    from causalcircuit.scm.pgmpy import to_pgmpy

    table = cells()
    model = fit(table, G, "discrete")
    assert isinstance(model.mechanisms, Discrete)
    network = to_pgmpy(model.mechanisms)
    assert network.check_model()
    for x in (0.0, 1.0):
        cut = network.do(["X"])
        found = VariableElimination(cut).query(["Y"], evidence={"X": x}, show_progress=False)
        share = float(found.values[found.state_names["Y"].index(1.0)])
        assert model.mean("Y", {"X": x}).value == pytest.approx(share, abs=1e-9)
    from pgmpy.estimators import BayesianEstimator
    from pgmpy.models import DiscreteBayesianNetwork

    theirs = DiscreteBayesianNetwork(list(model.diagram.directed))
    estimator = BayesianEstimator(theirs, pd.DataFrame(table))
    for v in table:
        own = network.get_cpds(v)
        other = estimator.estimate_cpd(v, prior_type="BDeu", equivalent_sample_size=1)
        order = [other.variables[0], *own.variables[1:]]
        a, b = own.to_factor(), other.to_factor()
        assert set(a.scope()) == set(b.scope()) == set(order)
        axes = [b.variables.index(u) for u in a.variables]
        assert np.allclose(a.values, np.transpose(b.values, axes))


def test_additive_noise_models() -> None:
    """The counterfactuals of gcm are those of rows here."""
    import pandas as pd
    from dowhy import gcm

    from causalcircuit.scm.gcm import to_gcm

    table = lines()
    model = fit(table, G, "additive_noise", resamples=399, seed=1, degree=2)
    assert isinstance(model.mechanisms, Additive)
    columns = {v: model.mechanisms.data[v].values for v in model.diagram.vertices}
    theirs = to_gcm(model.mechanisms.parents, columns, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = gcm.counterfactual_samples(theirs, {"X": lambda _: 1.5}, observed_data=pd.DataFrame(columns))
    ours = model.counterfactual("Y", {"X": 1.5})
    assert np.allclose(ours.value, made["Y"].to_numpy(), atol=1e-8)


def test_networks_have_no_shared_errors() -> None:
    from causalcircuit.scm.pgmpy import to_pgmpy

    model = fit(lines(), f"{G}, X <-> M")
    assert isinstance(model.mechanisms, Linear)
    with pytest.raises(DiagnosticError, match="CQ882"):
        to_pgmpy(model.mechanisms)
