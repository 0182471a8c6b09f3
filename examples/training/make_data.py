"""Write every data file of the examples. A few seconds.

Usage::

    python examples/training/make_data.py --out examples/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ioi_data import write_ioi
from log_data import write_log
from scene_data import write_scenes

EXAMPLES = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the sentences, the scenes and the log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=EXAMPLES / "data")
    options = parser.parse_args()
    write_ioi(options.out)
    write_scenes(options.out)
    write_log(options.out)
    for path in sorted(options.out.glob("*.jsonl")):
        print(f"{path.name}: {len(path.read_text(encoding='utf-8').splitlines())} rows")


if __name__ == "__main__":
    main()
