"""Programs on the shipped model, and their answers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from causalcircuit.query import Result
from causalcircuit.runs import check_text, run_program

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = """model gpt2 = hf("./models/ioi") with dtype = float64
data  ioi  = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names sample 40 seed 3
data  walk = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names where row.template = "walk"
  sample 24 seed 3
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
node NM = gpt2.layer[1].head[3].out @ last
node Heads = gpt2.layer[*].head[*].out @ all
let corrupt = do(gpt2.input = row.corrupt)
let effect(H) = E[LD | do(H = (H | corrupt))] - E[LD]
let swap(H) = do(Heads = (Heads | do()), H = (H | corrupt))
"""


@cache
def answers(text: str) -> Result:
    """What the declarations above and `text` answer."""
    return run_program(check_text(HEAD + text, folder=EXAMPLES))
