"""Golden reports: what the results of `samples` look like. `python -m tests.report.golden` renews the files."""

from __future__ import annotations

from pathlib import Path

from causalcircuit.query import Result
from causalcircuit.report import to_json, to_text
from tests.report.samples import RESULTS

FOLDER = Path(__file__).parents[1] / "fixtures" / "report"


def views(result: Result) -> dict[str, str]:
    """The views of a result by the ending of their file."""
    return {
        "txt": to_text(result),
        "brief.txt": to_text(result, brief=True),
        "wide.txt": to_text(result, width=120),
        "json": to_json(result) + "\n",
    }


def main() -> None:
    """Write every view of every sample."""
    FOLDER.mkdir(exist_ok=True)
    for name, result in RESULTS.items():
        for ending, text in views(result).items():
            (FOLDER / f"{name}.{ending}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
