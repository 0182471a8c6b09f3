"""A sweep over the heads of GPT-2 small is checked and planned in no time."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from causalcircuit.check import check_file, queries_of
from causalcircuit.engine import make_plan
from causalcircuit.rows import load
from tests.sweeps.programs import EXAMPLES, HEAD


def test_144_heads_are_checked_and_planned_within_a_second(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "ioi"
    folder.mkdir(parents=True)
    config = json.loads((EXAMPLES / "models" / "ioi" / "config.json").read_text(encoding="utf-8"))
    config |= {"n_layer": 12, "n_head": 12, "n_embd": 768}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copytree(EXAMPLES / "data", tmp_path / "data")
    file = tmp_path / "sweep.cq"
    file.write_text(HEAD + "show effect(H) on ioi for H in gpt2.layer[*].head[*].out @ last as heatmap\n")
    check_file(file)  # the grammar, and what Python compiles, are there
    start = time.process_time()
    (command,) = check_file(file).commands
    plan = make_plan([q.expr for q in queries_of(command)], load(command.data))
    spent = time.process_time() - start
    assert len(plan.runs) == 146
    assert spent < 1.0
