"""Faults of CausalCircuit itself: one line that says what to report."""

from __future__ import annotations

import traceback

import causalcircuit
from causalcircuit.diagnostics import Diagnostic
from causalcircuit.tools import streams


def report(problem: Exception, *, debug: bool, machine: bool) -> None:
    """Print what happened; with `debug` the traceback too."""
    what = " ".join(str(problem).split())
    message = f"a fault inside CausalCircuit {causalcircuit.__version__}, {type(problem).__name__}: {what}"
    way_out = "please report it with the program and the output under --debug"
    if machine:
        streams.show_json(diagnostics=[Diagnostic("CQ799", message, help=(way_out,))])
    if debug:
        streams.say("".join(traceback.format_exception(problem)).rstrip())
    streams.say(f"error[CQ799]: {message}; {way_out}")
