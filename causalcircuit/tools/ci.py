"""`cq test --junit out.xml --sarif out.sarif`: verdicts in the forms that continuous integration reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from causalcircuit.diagnostics import Diagnostic, error

if TYPE_CHECKING:
    from causalcircuit.query import Result


@dataclass(frozen=True, slots=True)
class Reports:
    """Where reports are to be written."""

    junit: Path | None = None
    sarif: Path | None = None

    def check(self) -> None:
        """Try the places before anything runs.

        Raises:
            DiagnosticError: CQ939.
        """
        from causalcircuit.runs import check_place

        if self.junit is not None and self.sarif is not None and self.junit.resolve() == self.sarif.resolve():
            way = "give each a file of its own"
            raise error("CQ939", f"`--junit` and `--sarif` would both be written to `{self.junit}`", help=way)
        for path, what in ((self.junit, "the JUnit report"), (self.sarif, "the SARIF report")):
            if path is not None:
                check_place(path, what)

    def write(
        self, file: str, result: Result | None, diagnostics: Sequence[Diagnostic], code: int, interrupted: bool
    ) -> list[Path]:
        """Write what is asked for; the files that were written.

        Raises:
            DiagnosticError: CQ939.
        """
        written = []
        if self.junit is not None:
            from causalcircuit.report.junit import to_junit
            from causalcircuit.runs import write_whole

            content = to_junit(result, diagnostics, file=file, interrupted=interrupted)
            write_whole(self.junit, content, "the JUnit report")
            written.append(self.junit)
        if self.sarif is not None:
            from causalcircuit.report.sarif import to_sarif
            from causalcircuit.runs import write_whole

            content = to_sarif(result, diagnostics, file=file, code=code, interrupted=interrupted)
            write_whole(self.sarif, content, "the SARIF report")
            written.append(self.sarif)
        return written
