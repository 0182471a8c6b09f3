"""`cq explain`: the pages of the catalogue of codes, and the definitions of the vocabulary."""

from __future__ import annotations

import re
import sys

from causalcircuit.check import vocabulary
from causalcircuit.diagnostics import codes, did_you_mean, page, title
from causalcircuit.tools import exits, streams


def explain(code: str | None) -> int:
    """Print the page of a code or of a definition, or the list of codes; return the exit code."""
    if code is None:
        for known in codes():
            streams.write(f"{known}  {title(known)}\n")
        return exits.OK
    if code == "std":
        streams.write(vocabulary.listing())
        return exits.OK
    wanted = _plain(code)
    text = vocabulary.page(code) or page(wanted)
    if text is None:
        if re.match(r"(?i)cq\d|\d", code):
            streams.say(f"there is no code `{wanted}`: {did_you_mean(wanted, codes())}; `cq explain` lists them")
        else:
            near = did_you_mean(code, vocabulary.words())
            streams.say(f"there is no definition `{code}`: {near}; `cq explain std` lists them, `cq explain` the codes")
        return exits.BEFORE
    _print(text)
    return exits.OK


def _plain(code: str) -> str:
    """`CQ201` from `cq201`, `201` or `error[CQ201]`."""
    digits = re.search(r"(?i)(?:cq)?(\d{3})\b", code)
    return f"CQ{digits.group(1)}" if digits else code.upper()


def _print(text: str) -> None:
    """Markdown as it is into a pipe; set in type on a terminal."""
    if not streams.coloured(sys.stdout) or streams.ascii_only(sys.stdout):
        streams.write(text.rstrip("\n") + "\n")
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(width=min(streams.width(sys.stdout), 100))
    console.print(Markdown(text, code_theme="ansi_dark"))
