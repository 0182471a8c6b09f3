"""The command line `cq`: arguments in, exit code out. Commands load what they need when they run."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import causalcircuit
from causalcircuit.tools import exits, options, streams

_CODES = """\b
Exit codes:
  0    done
  1    a named hypothesis is not supported (cq test)
  2    something is wrong that was known before the first forward pass
  3    something went wrong after it
  70   a fault inside CausalCircuit
  130  stopped by Ctrl-C; what was done is printed"""


class _Group(click.Group):
    """A group that tells a reader who left from a mistake: click itself would leave with 1."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            # Python flushes once more at exit; with nowhere to flush to, that must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return exits.BROKEN_PIPE


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=options.examples("cq run examples/ioi.cq", "cq check *.cq", "cq explain CQ201") + "\n\n" + _CODES,
)
@click.version_option(causalcircuit.__version__, prog_name="cq")
@options.debug
def group() -> None:
    """Ask causal questions of the insides of Hugging Face models.

    A question stands in a .cq file: which model, which data, which nodes are set to what, and which
    difference is to be estimated. The answer is a number with an interval.
    """


@group.command(
    epilog=options.examples(
        "cq run examples/mediation.cq",
        "cq run examples/ioi.cq --format json > ioi.json",
        "cq run examples/ioi.cq --rows out    # out/ioi.parquet",
        "cq run examples/heatmap.cq --out maps    # maps/effect-H.svg, .png, maps/results.json",
        "cq run - < examples/ioi.cq",
    )
)
@options.file
@options.format_
@options.rows
@options.out
@options.html
@options.quiet
@options.how
@options.memory
@options.online
@options.no_store
@options.fresh
@options.debug
def run(
    file: str,
    machine: bool,
    rows: Path | None,
    out: Path | None,
    html: Path | None,
    quiet: bool,
    how: Any,
    memory: str | None,
    online: bool,
    no_store: bool,
    fresh: bool,
) -> int:
    """Answer every question of FILE (`-` reads standard input).

    Outcomes that an earlier run computed are taken from the store (see `cq runs`).
    """
    from causalcircuit.tools import answering

    keep = options.keep(no_store, fresh)
    wishes = answering.Wishes(
        machine, rows, quiet, online=online, out=out, html=html, keep=keep, memory=memory, how=how
    )
    return answering.run(file, wishes)


@group.command(
    epilog=options.examples(
        "cq test examples/claims.cq",
        "cq test examples/claims.cq -q && echo all supported",
        "cq test examples/claims.cq --junit claims.xml --sarif claims.sarif",
    )
)
@options.file
@options.format_
@options.rows
@options.junit
@options.sarif
@options.quiet
@options.how
@options.memory
@options.online
@options.no_store
@options.fresh
@options.debug
def test(
    file: str,
    machine: bool,
    rows: Path | None,
    junit: Path | None,
    sarif: Path | None,
    quiet: bool,
    how: Any,
    memory: str | None,
    online: bool,
    no_store: bool,
    fresh: bool,
) -> int:
    """Judge the claims of FILE; leave its estimates out.

    The exit code is 1 when a named hypothesis is not supported.
    """
    from causalcircuit.tools import answering
    from causalcircuit.tools.ci import Reports

    keep = options.keep(no_store, fresh)
    reports = Reports(junit, sarif)
    wishes = answering.Wishes(
        machine, rows, quiet, tests_only=True, online=online, keep=keep, memory=memory, how=how, reports=reports
    )
    return answering.run(file, wishes)


@group.command(
    epilog=options.examples("cq check examples/ioi.cq", "cq check *.cq --format json", "cq check - < draft.cq")
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@options.format_
@options.online
@options.debug
def check(files: tuple[str, ...], machine: bool, online: bool) -> int:
    """Say everything that is wrong with FILEs, without loading a model."""
    from causalcircuit.tools import answering

    return answering.check(files, machine, online)


@group.command(
    epilog=options.examples(
        "cq plan examples/mediation.cq",
        "cq plan examples/ioi.cq --pilot 20      # how wide will the intervals be?",
        "cq plan examples/claims.cq --pilot 40 --power 0.8    # how many clusters for a verdict?",
        "cq plan examples/ioi.cq --analyze       # run it: predicted beside actual",
        "cq plan examples/ioi.cq --max-memory 4GB --plan naive",
        "cq plan --calibrate                     # measure this machine, for seconds",
    )
)
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--pilot", type=int, default=0, metavar="ROWS", help="Run ROWS rows, and scale their intervals to all.")
@click.option(
    "--power", type=float, metavar="CHANCE", help="The chance of each verdict, and what a CHANCE of one takes."
)
@click.option("--analyze", is_flag=True, help="Run everything, and print predicted beside actual.")
@click.option("--calibrate", is_flag=True, help="Measure this machine first; what is found is kept.")
@options.how
@options.memory
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
@options.format_
@options.online
@options.debug
def plan(
    file: str | None,
    pilot: int,
    power: float | None,
    analyze: bool,
    calibrate: bool,
    how: Any,
    memory: str | None,
    as_json: bool,
    machine: bool,
    online: bool,
) -> int:
    """Say what FILE will cost, before anything runs.

    Its worlds, passes, operations, memory, time and widths of intervals. Neither weights are read nor
    passes made, unless --pilot, --analyze or --calibrate ask for it.
    """
    from causalcircuit.tools import planning

    asked = planning.Asked(machine or as_json, pilot, analyze, memory, how, calibrate, online, power)
    return planning.plan(file, asked)


@group.command(
    epilog=options.examples("cq sites examples/models/ioi", "cq sites ./llama --attention eager --dtype bfloat16")
)
@click.argument("model", metavar="MODEL")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64", "bfloat16", "float16"]),
    default="float32",
    help="Of weights and activations (float32).",
)
@click.option(
    "--attention",
    type=click.Choice(["auto", "sdpa", "eager"]),
    default="auto",
    help="The attention implementation; patterns are seen under eager.",
)
@options.format_
@options.online
@options.debug
def sites(model: str, dtype: Any, attention: Any, machine: bool, online: bool) -> int:
    """List the addresses of MODEL, and what is proven of each.

    MODEL is a folder, a name on the hub, or a `.cq` file: then all its models are listed as they are declared there,
    with their dictionaries. Shapes and positions are listed too.
    """
    from causalcircuit.tools.sites import sites as listed

    return listed(model, dtype, attention, machine, online)


@group.command(
    epilog=options.examples("cq picture C.json --html C.html", "cq picture C.graphml --html C.html --title IOI")
)
@click.argument("circuit", type=click.Path(path_type=Path), metavar="CIRCUIT")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", required=True, help="The page."
)
@click.option("--title", metavar="TEXT", help="Its heading (the circuit's name).")
@options.debug
def picture(circuit: Path, html: Path, title: str | None) -> int:
    """Draw CIRCUIT, a file that `save C to` wrote, as a page to look at.

    The page is one file and needs no network.
    """
    from causalcircuit.tools.picture import picture as drawn

    return drawn(circuit, html, title)


@group.group(
    invoke_without_command=True,
    epilog=options.examples(
        "cq runs", "cq runs show 3f2a", "cq runs clean --older 30d", "cq runs clean --larger 2GB --yes"
    ),
)
@options.format_
@options.debug
@click.pass_context
def runs(context: click.Context, machine: bool) -> int:
    """List the runs on record.

    Each with its rows × worlds, the outcomes found in the store and those computed, and its verdicts.
    """
    if context.invoked_subcommand is not None:
        return exits.OK
    from causalcircuit.tools import past

    return past.runs(machine)


@runs.command("show")
@click.argument("run", metavar="ID")
@options.format_
@options.debug
def show_run(run: str, machine: bool) -> int:
    """Show a run: what it was made from, and what it answered. ID may be cut short."""
    from causalcircuit.tools import past

    return past.show(run, machine)


@runs.command("clean")
@click.option("--older", metavar="AGE", help="What was kept longer ago: 30d, 12h, 2w.")
@click.option("--larger", metavar="SIZE", help="The oldest outcomes, until the rest takes no more: 500MB, 2GiB.")
@click.option("--other", is_flag=True, help="What other versions of the store's format left.")
@click.option("--damaged", is_flag=True, help="What was set aside as damaged.")
@click.option("--all", "everything", is_flag=True, help="Every outcome and every run on record.")
@click.option("--yes", "sure", is_flag=True, help="Do not ask.")
@options.debug
def clean_runs(older: str | None, larger: str | None, other: bool, damaged: bool, everything: bool, sure: bool) -> int:
    """Remove outcomes and runs from the store.

    What that frees is said first, and confirmed.
    """
    from causalcircuit.tools import past

    return past.clean(past.Room(older, larger, everything, other, damaged, sure))


@group.command(
    epilog=options.examples("cq run ioi.cq --format json > ioi.json", "cq verify ioi.json", "cq verify 3f2a")
)
@click.argument("result", metavar="RESULT")
@click.option(
    "--program",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Where the program lies, if not where the result says.",
)
@options.format_
@options.quiet
@options.debug
def verify(result: str, program: Path | None, machine: bool, quiet: bool) -> int:
    """Compute RESULT again without the store, and compare.

    RESULT is a JSON file of `cq run`, or the id of a run. The exit code is 1 when an answer differs
    by more than rounding.
    """
    from causalcircuit.tools import past

    return past.verify(result, program, machine, quiet)


@group.command(epilog=options.examples("cq explain CQ201", "cq explain NIE", "cq explain           # every code"))
@click.argument("code", required=False)
@options.debug
def explain(code: str | None) -> int:
    """Explain a diagnostic's CODE: its cause, an example, the way out.

    CODE may also be a name of the vocabulary of effects, such as NIE; `std` lists them.
    """
    from causalcircuit.tools.explain import explain as page

    return page(code)


@group.command(epilog=options.examples("cq repl", "cq repl examples/ioi.cq     # its names and models stay at hand"))
@click.argument("file", required=False, metavar="[FILE]")
@options.online
@options.debug
@click.pass_obj
def repl(state: options.State, file: str | None, online: bool) -> int:
    """Ask one statement at a time; FILE is run first."""
    from causalcircuit.tools.repl import repl as talk

    return talk(Path(file) if file is not None else None, state.debug, online)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `cq` and leave with its exit code.

    Raises:
        SystemExit: always.
    """
    state = options.State()
    code = _guarded(lambda: group.main(arguments, prog_name="cq", standalone_mode=False, obj=state), state)
    sys.exit(code)


def _guarded(command: Callable[[], Any], state: options.State) -> int:
    """The exit code of a command, whatever it raises."""
    streams.forgiving()
    try:
        code = command()
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (KeyboardInterrupt, click.Abort):
        streams.say("interrupted")
        return exits.INTERRUPTED
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            return _fault(problem, state)
        # Python flushes once more at exit, and that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        streams.say(f"the output cannot be written: {problem.strerror}")
        return exits.AFTER
    except Exception as problem:
        return _fault(problem, state)
    return code if isinstance(code, int) else exits.OK


def _fault(problem: Exception, state: options.State) -> int:
    """Report a fault of CausalCircuit itself."""
    from causalcircuit.tools.internal import report

    report(problem, debug=state.debug, machine=state.machine)
    return exits.INTERNAL
