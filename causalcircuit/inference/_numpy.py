"""numpy, imported when the first thing of it is used: checking a program needs only the estimators' names.

The import costs more than the whole check of a file, and a prompt or an editor pays it at every start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
else:

    class _Numpy:
        """Stands for the module until then."""

        def __getattr__(self, name: str) -> Any:
            import numpy

            value = getattr(numpy, name)
            setattr(self, name, value)
            return value

    np = _Numpy()
    NDArray = Floats = Any

__all__ = ["Floats", "NDArray", "np"]
