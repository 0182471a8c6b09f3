"""Effects from observed tables: adjustment, weighting, doubly robust, front-door, instruments, any formula; bounds.

```python
from causalcircuit.inference.observed import estimate

found = estimate(table, "Z -> X, Z -> Y, X -> Y", "X", "Y")
print(found.value, found.interval, found.method)
```

The diagram says what identifies the effect; the table is a mapping from names to columns. One estimator a file.
"""

from typing import TYPE_CHECKING

from causalcircuit._faces import fetched

if TYPE_CHECKING:
    from causalcircuit.inference.observed._result import Observed
    from causalcircuit.inference.observed.bounding import Bounds, bounds
    from causalcircuit.inference.observed.confounding import (
        Sensitivity,
        Strength,
        e_value,
        e_value_of_difference,
        robustness,
        sensitivity,
    )
    from causalcircuit.inference.observed.doubly_robust import Learners
    from causalcircuit.inference.observed.estimating import estimate

_HOME = {
    "Bounds": "bounding",
    "Learners": "doubly_robust",
    "Observed": "_result",
    "Sensitivity": "confounding",
    "Strength": "confounding",
    "bounds": "bounding",
    "e_value": "confounding",
    "e_value_of_difference": "confounding",
    "estimate": "estimating",
    "robustness": "confounding",
    "sensitivity": "confounding",
}

__all__ = [
    "Bounds",
    "Learners",
    "Observed",
    "Sensitivity",
    "Strength",
    "bounds",
    "e_value",
    "e_value_of_difference",
    "estimate",
    "robustness",
    "sensitivity",
]

__getattr__ = fetched(__name__, _HOME)
