"""The name of a long task, which also says what its steps are."""

from __future__ import annotations

WORLDS = "rows × worlds"
"""What is counted unless a name says something else."""


class Counted(str):
    """A name, and what is counted of its task: `Counted("ioi", "rows")`.

    >>> Counted("ioi", "rows"), Counted("ioi", "rows").steps
    ('ioi', 'rows')
    """

    steps: str

    def __new__(cls, name: str, steps: str) -> Counted:
        """The name, with what its steps are."""
        made = super().__new__(cls, name)
        made.steps = steps
        return made


def steps_of(name: str) -> str:
    """What is counted of a task."""
    return name.steps if isinstance(name, Counted) else WORLDS


__all__ = ["WORLDS", "Counted", "steps_of"]
