"""Options that several commands of `cq` share, and what the whole command line remembers of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from causalcircuit.runs import Keep


@dataclass(slots=True)
class State:
    """What the whole command line must know to report an internal failure."""

    debug: bool = False
    machine: bool = False


def _remember_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(State).debug = True


def _remember_format(context: click.Context, _: click.Parameter, value: str) -> bool:
    machine = value == "json"
    context.ensure_object(State).machine = machine
    return machine


debug = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_remember_debug,
    help="Show the traceback of a fault inside CausalCircuit.",
)
format_ = click.option(
    "--format",
    "machine",
    type=click.Choice(["text", "json"]),
    default="text",
    callback=_remember_format,
    help="Text for people (the default), or JSON on standard output alone.",
)
rows = click.option(
    "--rows",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the outcomes of every row in every world to DIR, a Parquet file for each data set.",
)
out = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the heat maps of `show … as heatmap` to DIR as SVG and PNG, and all answers as DIR/results.json.",
)
html = click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw the circuits of `show C`, and heat maps, as a page to look at, in one file.",
)
junit = click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the verdicts as JUnit XML, a test case for each claim.",
)
sarif = click.option(
    "--sarif",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write verdicts and diagnostics as SARIF 2.1.0, at the lines of the program.",
)
quiet = click.option(
    "--quiet", "-q", is_flag=True, help="Only numbers, verdicts and diagnostics: no progress, no explanations."
)
online = click.option(
    "--online", is_flag=True, help="Download models of the hub that are not on this machine: safetensors and settings."
)
no_store = click.option("--no-store", is_flag=True, help="Neither look outcomes up nor keep them.")
fresh = click.option("--fresh", is_flag=True, help="Compute every outcome anew, and keep it.")
memory = click.option(
    "--max-memory",
    "memory",
    metavar="SIZE",
    help="Let weights and passes take no more than SIZE, such as 4GB: passes become smaller.",
)
how = click.option(
    "--plan",
    "how",
    type=click.Choice(["full", "naive"]),
    default="full",
    help="Whether passes share what they have in common (full, the default), or every world runs whole.",
)
file = click.argument("file", metavar="FILE")


def keep(no_store: bool, fresh: bool) -> Keep:
    """How the store is used."""
    if no_store and fresh:
        raise click.UsageError("--no-store keeps nothing, --fresh keeps everything: one of them is meant")
    return "off" if no_store else "fresh" if fresh else "use"


def examples(*lines: str) -> str:
    """The epilogue of a command: lines that may be typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
