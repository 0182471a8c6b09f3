"""Measuring this machine for the models of a program."""

from __future__ import annotations

from causalcircuit.diagnostics import error
from causalcircuit.query import Program


def calibrate_for(program: object) -> list[str]:
    """Measure, and keep what was found.

    Args:
        program: whose models' devices and types of numbers are measured; `None` for float32 on the processor.

    Returns:
        A line for each measurement.

    Raises:
        DiagnosticError: CQ765, a device that cannot be measured.
    """
    import torch

    from causalcircuit.engine.cost.calibration import calibrate, machine, threads

    models = tuple(program.models.values()) if isinstance(program, Program) else ()
    wanted = dict.fromkeys((m.device, m.dtype) for m in models if m.net is None) or {("cpu", "float32"): None}
    lines: list[str] = []
    for device, dtype in wanted:
        try:
            rates, missed = calibrate(device, getattr(torch, dtype))
        except (RuntimeError, AssertionError, NotImplementedError) as problem:
            first = str(problem).strip().partition("\n")[0]
            raise error(
                "CQ765",
                f"{dtype} on `{device}` cannot be measured: {first}",
                help="seconds of a plan are a guess then; `with device = …` of the model names another one",
            ) from None
        many = f"{threads()} thread{'s' if threads() > 1 else ''}"
        speed = 1e-9 / rates.linear if rates.linear else float("inf")
        lines.append(
            f"{machine()}, {many}, {dtype} on {device}: {speed:.0f} GFLOP/s in matrices, "
            f"{rates.calls * 1e6:.0f} µs to start a module; passes were met to {missed:.0%} (median)"
        )
    return lines
