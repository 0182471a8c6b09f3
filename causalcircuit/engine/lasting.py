"""What generation demands before it starts: values that hold at every generated position, and room for the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from causalcircuit.diagnostics import Diagnostic, error, warning
from causalcircuit.engine.formulas import bare_sites
from causalcircuit.engine.prepared import Tokens, text_limit
from causalcircuit.engine.problems import Problems
from causalcircuit.engine.shapes import SCALARS, Shapes
from causalcircuit.models import LoadedModel, Prompt, RowError, unfollowed, writes_text
from causalcircuit.query import Binary, Call, Expr, Generated, Negative, Noise, Site, render
from causalcircuit.query.plan import Run


def check_writes(run: Run, model: LoadedModel, prompts: Sequence[Prompt | None] | None) -> None:
    """A text is asked of a model that generates, and no position of its prompt sees what it writes.

    Raises:
        DiagnosticError: CQ483.
    """
    if run.said is None:
        return
    # A prompt whose positions all see each other is marked off from what follows it.
    apart = model.sites.readout_tower.causal or any(p is not None and p.after for p in prompts or ())
    if not (writes_text(model) and apart):
        raise error(
            "CQ483",
            f"`{model.ref.name}` writes no text: {type(model.hf).__name__} does not generate",
            run.said.span,
            help="decoders, captioners and other encoder-decoders do",
        )


def beside_generate(runs: Iterable[Run], models: Mapping[str, LoadedModel]) -> Iterator[Diagnostic]:
    """A warning for each model whose own `generate` would write another text than that of its distribution."""
    for name in dict.fromkeys(run.model for run in runs if isinstance(run.said, Generated)):
        found = unfollowed(models[name])
        if found:
            asked = next(run.said for run in runs if run.model == name and isinstance(run.said, Generated))
            spoken = {"lang_to_id", "task_to_id", "forced_decoder_ids"} & set(found)
            yield warning(
                "CQ581",
                f"`{name}.text` is drawn from the model's own distribution: "
                f"{', '.join(f'`{s}`' for s in found)} of its generation settings are not followed",
                asked.span,
                "may differ from what `generate` writes",
                help=(
                    "a decoder that is told a language or a task reads those tokens first: write them in the prefix"
                    if spoken
                    else "",
                    "end tokens and suppressed tokens are followed",
                ),
            )


def check_lasting(value: Expr, target: Site, width: int, shapes: Shapes) -> None:
    """A value for generated positions, whose number nobody knows: one number or vector a row, and the target itself.

    Raises:
        DiagnosticError: CQ353 another width, CQ485 a value with positions of its own.
    """
    found = _width(value, target, width, shapes)
    if found not in (None, width):
        raise error(
            "CQ353",
            f"`{render(target)}` has {width} components, its value `{render(value)}` has {found}",
            value.span or target.span,
            help="assign a value of the same width, a number, or a mean of the same site",
        )


def _width(e: Expr, target: Site, width: int, shapes: Shapes) -> int | None:
    """The components of a value; `None` for one number a row."""
    match e:
        case Site() if e == target:
            return width
        case Negative(operand=operand):
            return _width(operand, target, width, shapes)
        case Binary(left=left, right=right) | Call(function="project_out", arguments=(left, right)):
            found = {_width(part, target, width, shapes) for part in (left, right)} - {None}
            if len(found) > 1:
                a, b = found
                raise error("CQ353", f"`{render(e)}` combines {a} components with {b}", e.span, help="use one width")
            return found.pop() if found else None
        case Call(function=function, arguments=(argument,)) if function in SCALARS or function == "unit":
            return _width(argument, target, width, shapes)
        case Noise():
            return width
    shape = shapes.of(e)
    several = shape.counts is not None and any(c not in (1, None) for c in shape.counts)
    if several or any(True for _ in bare_sites(e)):
        raise error(
            "CQ485",
            f"`{render(target)}` is set to `{render(e)}`, which has positions of its own",
            e.span or target.span,
            "not one value for every generated position",
            help=(
                "give one vector a row: a value `@ last`, or `mean(A, pooled)`",
                f"its own value at these positions is `{render(target)}`",
            ),
        )
    return shape.width


def check_read(site: Site) -> None:
    """A site that is read stands on the prompt.

    Raises:
        DiagnosticError: CQ484.
    """
    if site.position.new:
        raise error(
            "CQ484",
            f"`{render(site)}` has values at generated positions, which differ from text to text: nothing reads them",
            site.span,
            help="read it at positions of the prompt: `@ last`, `@ all`",
        )


def check_room(run: Run, model: LoadedModel, prompts: Sequence[Prompt | None] | None, problems: Problems) -> None:
    """A prompt and its text fit the model's context; CQ488 is kept for rows where they do not."""
    limit, tokens = model.sites.max_positions, text_limit(run)
    if limit is None or not tokens:
        return
    for i, prompt in enumerate(prompts or ()):
        if prompt is not None and len(prompt.ids) + tokens - 1 > limit:
            what = f"a prompt and a text of {tokens} tokens are more than the {limit} that `{model.ref.name}` can read"
            way = "ask for fewer tokens, or leave such rows out with `where`"
            problems.row(RowError("CQ488", what, f"{len(prompt.ids)} tokens of prompt", way), i)


def unknown(rows: int) -> tuple[tuple[Tokens, ...], ...]:
    """Answers that are written while running: one for each row, of no tokens yet."""
    return (((),),) * rows
