"""The only orchestrator: check, plan, fill the table, infer, answer. Importing it loads no model code."""

from causalcircuit.runs.check import check, check_program, check_text
from causalcircuit.runs.execute import AfterPass, Progress, Runner, run_program
from causalcircuit.runs.rows import save_rows
from causalcircuit.runs.session import Outcome, Session

__all__ = [
    "AfterPass",
    "Outcome",
    "Progress",
    "Runner",
    "Session",
    "check",
    "check_program",
    "check_text",
    "run_program",
    "save_rows",
]
