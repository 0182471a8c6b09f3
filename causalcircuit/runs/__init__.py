"""The only orchestrator: check, plan, fill the table, infer, answer.

Checking imports nothing heavy; what runs programs is fetched when it is first used (PEP 562).
"""

from typing import TYPE_CHECKING

from causalcircuit._faces import fetched
from causalcircuit.runs.check import check, check_program, check_text

if TYPE_CHECKING:
    from causalcircuit.runs.calibrating import calibrate_for
    from causalcircuit.runs.circuits import make_circuit
    from causalcircuit.runs.execute import Runner, run_program
    from causalcircuit.runs.keeping import Keep
    from causalcircuit.runs.past import bytes_of, clean_store, find_run, list_runs, seconds_of, to_clean
    from causalcircuit.runs.planning import PlanWishes, plan_program
    from causalcircuit.runs.progress import AfterPass, Progress
    from causalcircuit.runs.rows import make_folder, save_rows
    from causalcircuit.runs.session import Outcome, Session
    from causalcircuit.runs.sites import list_sites
    from causalcircuit.runs.verifying import claimed, verify
    from causalcircuit.runs.writing import check_place, write_whole
    from causalcircuit.store import Wanted

__all__ = [
    "AfterPass",
    "Keep",
    "Outcome",
    "PlanWishes",
    "Progress",
    "Runner",
    "Session",
    "Wanted",
    "bytes_of",
    "calibrate_for",
    "check",
    "check_place",
    "check_program",
    "check_text",
    "claimed",
    "clean_store",
    "find_run",
    "list_runs",
    "list_sites",
    "make_circuit",
    "make_folder",
    "plan_program",
    "run_program",
    "save_rows",
    "seconds_of",
    "to_clean",
    "verify",
    "write_whole",
]

_HOME = {
    **dict.fromkeys(("bytes_of", "clean_store", "find_run", "list_runs", "seconds_of", "to_clean"), "past"),
    **dict.fromkeys(("claimed", "verify"), "verifying"),
    **dict.fromkeys(("check_place", "write_whole"), "writing"),
    "AfterPass": "progress",
    "Keep": "keeping",
    "Outcome": "session",
    "PlanWishes": "planning",
    "Progress": "progress",
    "Runner": "execute",
    "Session": "session",
    "Wanted": "past",
    "calibrate_for": "calibrating",
    "list_sites": "sites",
    "make_circuit": "circuits",
    "make_folder": "rows",
    "plan_program": "planning",
    "run_program": "execute",
    "save_rows": "rows",
}

__getattr__ = fetched(__name__, _HOME)
