"""A run on a terminal: its progress, and Ctrl-C, which keeps what is done."""

import json
import os
import re
import select
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.tools.programs import HEAD, on_terminal

LONG = HEAD.replace(" sample 40 seed 1", "") + (
    "let effect(H) = E[LD | do(H = 0)] - E[LD]\nestimate effect(H) on ioi for H in gpt2.layer[*].head[*].out @ last\n"
)


def read_until(terminal: int, pattern: str, seconds: float) -> str:
    """What the terminal shows, once `pattern` has been seen; fails after `seconds`."""
    shown, end = "", time.monotonic() + seconds
    while not re.search(pattern, shown):
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            pytest.fail(f"{pattern!r} was not shown in {seconds} s, but: {shown[-500:]!r}")
        try:
            shown += re.sub(r"\x1b\[[?0-9;]*\w", "", os.read(terminal, 65536).decode("utf-8", "replace"))
        except OSError:
            pytest.fail(f"{pattern!r} was never shown, but: {shown[-500:]!r}")
    return shown


def test_ctrl_c_keeps_the_rows_that_are_done(tmp_path: Path) -> None:
    path = tmp_path / "long.cq"
    path.write_text(LONG)
    terminal = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with on_terminal(["run", path, "--format", "json", "--rows", tmp_path / "rows"], env=terminal) as (process, ours):
        shown = read_until(ours, r"(1[3-9]|2[0-2])\d\d/2916 rows × worlds", 120)  # the first chunk of rows is done
        assert "ioi" in shown
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    whole = json.loads(out)
    assert whole["interrupted"] is True
    assert len(whole["estimates"]) == 8
    done = {e["n"] for e in whole["estimates"]}
    assert len(done) == 1
    [n] = done
    assert 0 < n < 324
    table = pq.read_table(tmp_path / "rows" / "ioi.parquet").to_pandas()
    assert table["row"].nunique() == n


def test_ctrl_c_before_the_first_row_says_so(tmp_path: Path) -> None:
    path = tmp_path / "long.cq"
    path.write_text(LONG)
    with on_terminal(["run", path], env=os.environ | {"TERM": "xterm"}) as (process, ours):
        read_until(ours, "checking, loading", 60)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        shown = read_until(ours, "interrupted: nothing was computed yet", 5)
    assert process.returncode == 130
    assert out == b""
    assert "Traceback" not in shown
