"""Causal diagrams and identification: which effects follow from what is known, and by which formula. No torch.

```python
from causalcircuit.causal import Diagram, identify

found = identify("X -> M, M -> Y, X <-> Y", "Y", do="X")
print(found.estimand)  # Σ_M P(M | X) Σ_X' P(X') P(Y | X', M)
```
"""

from typing import TYPE_CHECKING

from causalcircuit._faces import fetched

if TYPE_CHECKING:
    from causalcircuit.causal.adjustment import adjustment_sets, is_adjustment_set, optimal_adjustment_set
    from causalcircuit.causal.advice import Advice
    from causalcircuit.causal.derivation import Line
    from causalcircuit.causal.diagram import Diagram
    from causalcircuit.causal.estimand import Effect, Estimand
    from causalcircuit.causal.evaluating import Table, evaluate
    from causalcircuit.causal.frontdoor import frontdoor_sets
    from causalcircuit.causal.hedge import Hedge, Thicket
    from causalcircuit.causal.identification import Identification, identify
    from causalcircuit.causal.instrumental import Instrument, instruments
    from causalcircuit.causal.paths import OpenPath, open_path, separator
    from causalcircuit.causal.sources import Given, given
    from causalcircuit.causal.testable import Independence, independences
    from causalcircuit.causal.witness import Witness
    from causalcircuit.causal.writing import from_networkx, to_dagitty, to_dot, to_networkx

_HOME = {
    "Advice": "advice",
    "Diagram": "diagram",
    "Effect": "estimand",
    "Estimand": "estimand",
    "Given": "sources",
    "Hedge": "hedge",
    "Identification": "identification",
    "Independence": "testable",
    "Instrument": "instrumental",
    "Line": "derivation",
    "OpenPath": "paths",
    "Table": "evaluating",
    "Thicket": "hedge",
    "Witness": "witness",
    "adjustment_sets": "adjustment",
    "evaluate": "evaluating",
    "from_networkx": "writing",
    "frontdoor_sets": "frontdoor",
    "given": "sources",
    "identify": "identification",
    "independences": "testable",
    "instruments": "instrumental",
    "is_adjustment_set": "adjustment",
    "open_path": "paths",
    "optimal_adjustment_set": "adjustment",
    "separator": "paths",
    "to_dagitty": "writing",
    "to_dot": "writing",
    "to_networkx": "writing",
}

__all__ = [
    "Advice",
    "Diagram",
    "Effect",
    "Estimand",
    "Given",
    "Hedge",
    "Identification",
    "Independence",
    "Instrument",
    "Line",
    "OpenPath",
    "Table",
    "Thicket",
    "Witness",
    "adjustment_sets",
    "evaluate",
    "from_networkx",
    "frontdoor_sets",
    "given",
    "identify",
    "independences",
    "instruments",
    "is_adjustment_set",
    "open_path",
    "optimal_adjustment_set",
    "separator",
    "to_dagitty",
    "to_dot",
    "to_networkx",
]

__getattr__ = fetched(__name__, _HOME)
