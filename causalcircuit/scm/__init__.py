"""Structural models over columns: fitted to a diagram, asked for interventions, counterfactuals and paths.

```python
from causalcircuit.scm import fit

model = fit(table, "X -> M, M -> Y, X -> Y", "linear_gaussian")
print(model.effect("X", "Y", values=(0, 1)).interval)
```

Adapters to pgmpy and DoWhy stand here, a file each; what they answer is calculated in closed form where there is one.
"""

from typing import TYPE_CHECKING

from causalcircuit._faces import fetched

if TYPE_CHECKING:
    from causalcircuit.scm.falsifying import Falsification, falsify
    from causalcircuit.scm.fitting import fit
    from causalcircuit.scm.model import StructuralModel
    from causalcircuit.scm.refuting import refute
    from causalcircuit.scm.strength import Strength, strengths
    from causalcircuit.scm.worlds import Inner, Moment, World

_HOME = {
    "Falsification": "falsifying",
    "Inner": "worlds",
    "Moment": "worlds",
    "Strength": "strength",
    "StructuralModel": "model",
    "World": "worlds",
    "falsify": "falsifying",
    "fit": "fitting",
    "refute": "refuting",
    "strengths": "strength",
}

__all__ = [
    "Falsification",
    "Inner",
    "Moment",
    "Strength",
    "StructuralModel",
    "World",
    "falsify",
    "fit",
    "refute",
    "strengths",
]

__getattr__ = fetched(__name__, _HOME)
