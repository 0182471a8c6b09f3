"""`cq repl` in a real terminal."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.programs import CQ, HEAD

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: apt-get install tmux"),
]


class Terminal:
    """A terminal of 90 × 60 cells that runs `cq repl`."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "tmux")
        environment = os.environ | {"XDG_STATE_HOME": str(folder), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        # The shell stays after cq, so that its exit code can be read.
        command = f"'{CQ}' repl; echo \"left with $?\"; sleep 600"
        self._tmux("-f", os.devnull, "new-session", "-d", "-x", "90", "-y", "60", command, env=environment)

    def _tmux(self, *arguments: str, **more: object) -> str:
        command = ["tmux", "-u", "-S", self.socket, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20, **more).stdout

    def type(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def shown(self, *, colours: bool = False) -> str:
        return self._tmux("capture-pane", "-p", "-S", "-500", *(["-e"] if colours else []))

    def wait_for(self, text: str, times: int = 1, seconds: float = 120) -> str:
        end = time.monotonic() + seconds
        while (shown := self.shown()).count(text) < times:
            assert time.monotonic() < end, f"{text!r} was not shown {times} times in {seconds} s, but:\n{shown.strip()}"
            time.sleep(0.1)
        return shown

    def wait_for_rows(self, seconds: float = 120) -> None:
        """Until the bar has come a tenth of its way: the first chunk of rows is whole by then."""
        end = time.monotonic() + seconds
        while not (found := re.search(r"(\d+)/(\d+)\s+rows", self.shown())) or int(found[1]) * 10 < int(found[2]):
            assert time.monotonic() < end, f"the bar did not come far in {seconds} s:\n{self.shown().strip()}"
            time.sleep(0.1)

    def cancel(self) -> None:
        """Ctrl-C at the prompt; what is typed before the next one stands would meet no reader."""
        self.type("C-c")
        time.sleep(1)

    def leave(self, seconds: float = 60) -> None:
        """Ctrl-D until the prompt hears it: between two prompts nobody does."""
        end = time.monotonic() + seconds
        while "left with" not in self.shown() and time.monotonic() < end:
            self.type("C-d")
            time.sleep(2)

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, timeout=20)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    try:
        made.wait_for("cq>")
        yield made
    finally:
        made.close()


def test_a_conversation(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "head.cq"
    path.write_text(HEAD.replace(" sample 40 seed 1", ""))
    terminal.type(f":load {path}", "Enter")
    terminal.wait_for("NM: ")

    # Tab completes.
    terminal.type("est", "Tab")
    terminal.wait_for("cq> estimate")
    terminal.cancel()

    # A statement goes on until it is whole.
    terminal.type("let ate = E[LD | do(NM = 0)] -", "Enter")
    terminal.wait_for("\n  >")
    terminal.type("E[LD]", "Enter")
    terminal.wait_for("ate: ")

    # A mistake is shown, with the fix, and the session goes on.
    terminal.type("estimate atte on ioi", "Enter")
    terminal.wait_for("did you mean `ate`?")

    # Ctrl-C stops a run, keeps what is done, and not the session.
    terminal.type("let effect(H) = E[LD | do(H = 0)] - E[LD]", "Enter")
    terminal.wait_for("effect: ")
    terminal.type("estimate effect(H) on ioi for H in gpt2.layer[*].mlp.neuron[*] @ last", "Enter")
    terminal.wait_for("rows × worlds")
    terminal.wait_for_rows()
    terminal.type("C-c")
    shown = terminal.wait_for("Interrupted: these are the answers of the rows that were done.")
    assert "Traceback" not in shown

    # What is asked next is answered, in colour.
    terminal.type("estimate ate on ioi", "Enter")
    terminal.wait_for("on ioi · 324 rows in 108 clusters")
    assert "\x1b[" in terminal.shown(colours=True)

    # History, and leaving.
    terminal.type("Up")
    terminal.wait_for("estimate ate on ioi", times=2)
    terminal.cancel()
    terminal.leave()
    terminal.wait_for("left with 0")
