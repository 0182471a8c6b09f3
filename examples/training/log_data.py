"""The log of a production model whose photos depend on the season, which nobody wrote down.

In summer photos are of kitchens less often, and callers say "woman" less often for reasons of their own. A kitchen
raises what head 5.5 writes along a direction `u` by 1.2, and each unit of that raises the share of "woman" by 0.1: the
effect of a kitchen is 0.12, all of it through the head. The bare difference is about 0.24.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SESSIONS, ROWS, WIDTH = 300, 3, 64
EFFECT = 0.12


def write_log(folder: Path) -> None:
    """Write `q2.parquet`: kitchen, h55, u, said_woman, session."""
    rng = np.random.default_rng(20260402)
    n = SESSIONS * ROWS
    session = np.repeat(np.arange(SESSIONS), ROWS)
    summer = rng.integers(0, 2, n)
    kitchen = (rng.random(n) < np.where(summer == 1, 0.25, 0.75)).astype(int)
    u = rng.standard_normal(WIDTH)
    u /= np.linalg.norm(u)
    along = 1.2 * kitchen + rng.standard_normal(n)
    said = (rng.random(n) < np.clip(0.4 + 0.1 * along - 0.25 * summer, 0, 1)).astype(int)
    h = rng.standard_normal((n, WIDTH))
    h += np.outer(along - h @ u, u)
    table = pa.table(
        {
            "kitchen": pa.array(kitchen),
            "h55": pa.array(h.astype(np.float32).tolist(), pa.list_(pa.float32())),
            "u": pa.array([u.astype(np.float32).tolist()] * n, pa.list_(pa.float32())),
            "said_woman": pa.array(said),
            "session": pa.array(session),
        }
    )
    pq.write_table(table, folder / "q2.parquet", compression="zstd")
