"""The only orchestrator: check, plan, fill the table, infer, answer.

Checking imports nothing heavy; what runs programs is fetched when it is first used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from causalcircuit.runs.check import check, check_program, check_text

if TYPE_CHECKING:
    from causalcircuit.runs.execute import AfterPass, Progress, Runner, run_program
    from causalcircuit.runs.rows import make_folder, save_rows
    from causalcircuit.runs.session import Outcome, Session
    from causalcircuit.runs.sites import list_sites

__all__ = [
    "AfterPass",
    "Outcome",
    "Progress",
    "Runner",
    "Session",
    "check",
    "check_program",
    "check_text",
    "list_sites",
    "make_folder",
    "run_program",
    "save_rows",
]

_HOME = {
    "AfterPass": "execute",
    "Outcome": "session",
    "Progress": "execute",
    "Runner": "execute",
    "Session": "session",
    "list_sites": "sites",
    "make_folder": "rows",
    "run_program": "execute",
    "save_rows": "rows",
}


def __getattr__(name: str) -> object:
    """Fetch a name that needs numpy when it is first used.

    Raises:
        AttributeError: `name` is not public.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"causalcircuit.runs.{_HOME[name]}"), name)
    globals()[name] = value
    return value
