"""Functions of the language are no reserved words: data may be called `log`."""

from pathlib import Path

from causalcircuit.check import check_text
from causalcircuit.query import Call, Estimation, Number

DATA = Path(__file__).parents[1] / "fixtures" / "data"


def test_data_called_log_leave_the_function_alone() -> None:
    text = 'data log = jsonl("./ioi.jsonl")\nestimate log(E[row.length]) on log\n'
    (command,) = check_text(text, folder=DATA).commands
    assert isinstance(command, Estimation)
    assert command.data.name == "log"
    assert isinstance(command.queries[0].expr, Call)


def test_a_declared_function_takes_the_name() -> None:
    text = 'data d = jsonl("./ioi.jsonl")\nlet max(x) = E[x] + 1\nestimate max(row.length) on d\n'
    (command,) = check_text(text, folder=DATA).commands
    assert isinstance(command, Estimation)
    assert command.queries[0].expr.right == Number(1.0)
