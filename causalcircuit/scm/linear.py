"""Linear mechanisms with Gaussian, perhaps correlated errors: every answer is a function of means and covariances.

In such a model a variable of any world is a linear form of the same row's measured variables, since the errors are:
Y(w) = Y + Σ_p λ_p (p(w) − p). So an interventional mean, a counterfactual, a path-specific effect are means of linear
forms, and only the arrows that something moved enters through have to be known. (For a diagram without `<->` this is
the truncated factorisation of the Gaussian law, and (I − Λ)⁻¹ in matrices.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from causalcircuit.causal import Diagram
from causalcircuit.diagnostics import error
from causalcircuit.inference.observed._linear import Regression, features
from causalcircuit.inference.observed._resampling import Sums
from causalcircuit.inference.observed._result import Asked
from causalcircuit.inference.observed._table import Data, Floats, Numbers
from causalcircuit.scm.forms import Query, View, lost_in
from causalcircuit.scm.mechanisms import Answering
from causalcircuit.scm.views import views
from causalcircuit.scm.worlds import Moment

STRONG = 16.0
"""Below such an F of the instruments, intervals of their slopes are not trusted."""


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear mechanisms over the columns of a table.

    Attributes:
        diagram: over the columns. data: the columns. centre, scale: [k] of each, in the order of `names`.
    """

    diagram: Diagram
    data: Data
    names: tuple[str, ...]
    centre: Floats
    scale: Floats
    sums: Sums

    words = "linear-Gaussian model"

    @classmethod
    def fit(cls, diagram: Diagram, data: Data) -> Linear:
        """Fit.

        Raises:
            DiagnosticError: CQ852 collinear causes, CQ853 fewer rows than coefficients, CQ881 a column of text.
        """
        frame = diagram.frame
        names = frame.names
        for name in names:
            column = data[name]
            if column.labels is not None:
                raise error(
                    "CQ881",
                    f"`{name}` holds text: a linear mechanism has no number for it",
                    help="make it a number, such as 0 and 1, or fit `discrete`",
                )
        for i, name in enumerate(names):
            causes = frame.named(frame.graph.pa[i])
            if causes:
                raw, labels = features([data[c] for c in causes])
                design = np.hstack([np.ones((data.n, 1)), raw - np.average(raw, axis=0, weights=data.weight)])
                Regression.of(data, design, ("1", *labels), data[name].values[:, None])
        values = np.stack([data[n].values for n in names], axis=1)
        centre = np.average(values, axis=0, weights=data.weight)
        scale = np.sqrt(np.average((values - centre) ** 2, axis=0, weights=data.weight))
        z = (values - centre) / scale
        weight = data.weight / data.weight.sum()
        k = len(names)
        full = np.hstack([np.ones((data.n, 1)), z])

        def rows(of: Numbers) -> Floats:
            own = full[of]
            products: Floats = (weight[of, None, None] * own[:, :, None] * own[:, None, :]).reshape(len(of), -1)
            return products

        return cls(diagram, data, names, centre, scale, Sums.of(data, rows, (k + 1) ** 2))

    refitted = False

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the kind takes for granted."""
        return ("mechanisms are linear, with Gaussian errors that are correlated where the diagram has `<->`",)

    def two(self, name: str) -> tuple[float, float] | None:
        """The values of a column that has two."""
        levels = self.data[name].levels
        return (float(levels[0]), float(levels[1])) if len(levels) == 2 else None

    # ---- which part of the model answers

    def view(self, moments: Sequence[Moment]) -> View:
        """The largest part of the model in which all coefficients that the question needs are identified.

        Raises:
            DiagnosticError: CQ882, there is none.
        """
        lost: list[str] = []
        for view in views(self.diagram, moments, View.of):
            missing = lost_in(view, moments)
            if not missing:
                return view
            lost = lost or missing
        raise unidentified(lost)

    # ---- answers

    def answering(self, moments: Sequence[Moment]) -> Answering:
        """The means of some moments as a function of sums.

        Raises:
            DiagnosticError: CQ882 coefficients that are not identified, CQ883 a condition that has no answer.
        """
        for moment in moments:
            conditions(moment, self.two(moment.outcome) is None)
        query = Query.of(self, self.view(moments), moments)
        weak = [s for s in query.steps if not s.plain]
        names = tuple(query.view.names[s.of] for s in weak)
        away = tuple(v for v in self.names if v not in query.view.names)
        notes: list[str] = []
        if away:
            notes.append(f"projected out, as the question needs no part of it: {', '.join(away)}")
        lines = [v for s in query.steps if s.causes and self.two(v := query.view.names[s.of]) is not None]
        if lines:
            notes.append(f"the mean of {', '.join(lines)} is linear, though it has two values")
        strength = (lambda of: query.strength(of, weak)) if weak else None
        return Answering(self.sums, query.means, query.parameters, tuple(notes), strength, names)

    def each(self, moment: Moment, asked: Asked) -> tuple[Floats, Floats, float]:
        """[n] the counterfactual values of rows, [n] their standard errors, degrees of freedom."""
        query = Query.of(self, self.view((moment,)), (moment,))
        form = self.sums.value(query.form)
        d = form - self.sums.left_out(query.form)
        units = self.sums.units
        d = d - d.mean(axis=0)
        spread = (units - 1) / units * d.T @ d
        values = np.stack([self.data[n].values for n in self.names], axis=1)
        row = np.hstack([(values - self.centre) / self.scale, np.ones((self.data.n, 1))])
        se = np.sqrt(np.maximum(np.einsum("nk,kl,nl->n", row, spread, row), 0.0))
        df = units - 1 if self.data.clustered else units - query.parameters
        return row @ form, se, float(max(df, 1))


def unidentified(lost: Sequence[str]) -> Exception:
    """CQ882: what the question needs is not identified."""
    names = ", ".join(f"`{v}`" for v in lost)
    return error(
        "CQ882",
        f"the coefficients of {names} are not identified, and the question needs them",
        help=(
            "an error that a variable shares with one of its causes hides what the arrow does",
            "measure the shared cause, name an instrument, or ask what does not run through these arrows",
        ),
    )


def conditions(moment: Moment, many: bool) -> None:
    """Demand that conditions fix values, and that an event of an outcome of many values is a range.

    Raises:
        DiagnosticError: CQ883, a range: the Gaussian answer is for values.
    """
    for one in moment.given:
        if one.op != "=":
            raise error(
                "CQ883",
                f"`{one.name} {one.op} {one.number:g}` is a range, and a linear model conditions on values",
                help="condition on one value, `Z = 2`, or fit `discrete`",
            )
    if moment.event is not None and moment.event[0] == "=" and many:
        raise error(
            "CQ883",
            f"`{moment.outcome} = {moment.event[1]}` has probability 0 in a linear model",
            help="ask for a range, `P(Y > 0)`, or fit `discrete`",
        )
