"""The scripts of `examples/training` are plain scripts: their folder goes on the path, as it does when they run."""

from __future__ import annotations

import sys
from pathlib import Path

TRAINING = Path(__file__).resolve().parents[2] / "examples" / "training"
sys.path.insert(0, str(TRAINING))
