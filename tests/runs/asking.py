"""Asking the shipped models small questions."""

from pathlib import Path

from causalcircuit.query import Result
from causalcircuit.runs import Runner, check_text

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNER = Runner()
HEAD = """
model gpt2 = hf("./models/ioi")
model cap = hf("./models/captioner")
data d = jsonl("./data/ioi.jsonl") with prompt = row.clean cluster row.names split 70/30 seed 7
data i = jsonl("./data/ioi.jsonl") with prompt = row.clean
data pairs = jsonl("./data/ioi_pairs.jsonl") with prompt = row.base cluster row.names
data s = jsonl("./data/scenes.jsonl") with prefix = "a" cluster row.figure
data long = jsonl("./data/scenes_long.jsonl") with image = row.photo, prefix = "a" cluster row.figure
node NM = gpt2.layer[1].head[3].out @ last
node LD = gpt2.logit[row.io] @ last - gpt2.logit[row.subj] @ last
node V = gpt2.logit[row.good] @ last - gpt2.logit[row.bad] @ last
node W = cap.logit["woman"] @ last - cap.logit["man"] @ last
let kitchen = do(cap.image = row.kitchen)
let office = do(cap.image = row.office)
let corrupt = do(gpt2.input = row.corrupt)
let effect(H) = E[LD | do(H = mean(H))] - E[LD]
"""


def ask(question: str) -> Result:
    """Everything that a question says after `HEAD`."""
    return RUNNER.run(check_text(HEAD + question, "t.cq", EXAMPLES))


def value(expression: str, data: str = "d") -> float:
    """The value of one estimand."""
    (e,) = ask(f"estimate {expression} on {data}").estimates
    assert e.value is not None
    return e.value
