"""What can be said of a method before anything is run."""

from __future__ import annotations

import math
from collections.abc import Iterable

from causalcircuit.diagnostics import Diagnostic, DiagnosticError, did_you_mean, error, warning
from causalcircuit.inference._arithmetic import corner_in, terms_in
from causalcircuit.inference._bootstrap import DEFAULT_RESAMPLES
from causalcircuit.inference._estimators import ESTIMATORS, Shape, is_estimator
from causalcircuit.inference._looks import FIRST_LOOK
from causalcircuit.query import Call, DataRef, Expr, Options, Region, compile_estimand, walk
from causalcircuit.query.families import Correction, fewest

_ONE_LOOK = frozenset({"quantile", "correlation"})


def check_options(expr: Expr, options: Options, data: DataRef) -> list[Diagnostic]:
    """What is wrong with asking for `expr` on `data` in this way; nothing is run.

    Codes: CQ601 unknown method, CQ602 level, CQ603 no seed, CQ604 a seed or resamples without effect (a warning),
    CQ605 too few resamples, CQ607 and CQ608 a method that cannot do the estimand, CQ612 a population with a
    method (a warning).
    """
    if not is_estimator(options.method):
        return list(unknown_method(options.method).diagnostics)
    found: list[Diagnostic] = []
    if not 0 < options.level < 1:
        found.append(
            Diagnostic(
                "CQ602",
                f"a level of {100 * options.level:g}% is none",
                help=("a level lies between 0% and 100%: `ci 95%`",),
            )
        )
    if options.population:
        return [*found, *(check_until(options) if options.until else _idle_in_population(options))]
    combine, moments = compile_estimand(expr)
    events = tuple(m.event for m in moments)
    shape = Shape(combine, events, data.cluster is not None, data.weight is not None)
    found += refusals(shape, options)
    random = ESTIMATORS[options.method].random
    if options.until is not None:
        return [*found, *check_until(options)]
    if random and options.seed is None:
        found.append(Diagnostic("CQ603", f"`{options.method}` draws at random and has no seed", help=("add `seed 7`",)))
    idle = [name for name, value in (("seed", options.seed), ("resamples", options.resamples)) if value is not None]
    if idle and not random:
        found.append(
            warning(
                "CQ604",
                f"nothing is drawn at random here: {' and '.join(f'`{x}`' for x in idle)} without effect",
                help="`with bootstrap(2000)` draws; the default interval is computed without drawing",
            )
        )
    if random and 0 < options.level < 1:
        found += _few_for_level(options.resamples or DEFAULT_RESAMPLES, options.level, options.method)
    return found


def check_until(options: Options) -> list[Diagnostic]:
    """What is wrong with stopping a run in this way.

    Codes: CQ603 no seed, CQ947 a rule that can never hold, CQ948 a method that is valid at one look only, CQ949 a
    population, which has no interval.
    """
    until = options.until
    if until is None:
        return []
    found = []
    if options.population:
        way = "leave `as population` or `until` out"
        found.append(
            Diagnostic("CQ949", "`as population` has no interval, so no look at one can end a run", help=(way,))
        )
    if options.seed is None:
        message = "`until` takes rows in random order and has no seed"
        found.append(Diagnostic("CQ603", message, help=("add `seed 7`",)))
    if options.method != "default" and not ESTIMATORS[options.method].anytime:
        message = f"`{options.method}` holds at one look that was fixed beforehand, and `until` looks again and again"
        ways = ("leave the method out", "`with betting`, `with bernstein` and `with asymptotic` hold at every look")
        found.append(Diagnostic("CQ948", message, help=ways))
    if until.width is not None and until.width <= 0:
        message = f"`{until}` can never hold: an interval has a width"
        found.append(Diagnostic("CQ947", message, help=("write a positive width: `until width < 0.05`",)))
    if until.most is not None and until.most < FIRST_LOOK:
        message = f"`{until}` can never hold: the first look is at {FIRST_LOOK} {until.counted}"
        found.append(Diagnostic("CQ947", message, help=(f"allow more: `at most {20 * FIRST_LOOK} {until.counted}`",)))
    return [d.at(until.span) for d in found]


def check_resamples(
    m: int,
    alpha: float,
    two_sided: bool,
    resamples: int,
    method: str = "bootstrap",
    correction: Correction = "holm",
) -> list[Diagnostic]:
    """CQ606 where a lone claim of a family of `m` could not reach `alpha` with that many resamples.

    The smallest p of B resamples is about 1/B on one side: Bonferroni over the family needs B ≥ m/α, twice that
    for two-sided claims (144 two-sided claims at .05: 5,760).
    """
    times = fewest(m, correction)
    need = math.ceil(times * (2 if two_sided else 1) / alpha - 1e-9)
    if resamples >= need:
        return []
    claims = "one claim" if m == 1 or times == 1 else f"{m} claims"
    message = f"{resamples} resamples cannot reach α = {alpha:g} over {claims}: at least {need} are needed"
    return [
        Diagnostic("CQ606", message, help=(f"write `{method}({need})`, or leave it out: the default draws nothing",))
    ]


def check_regions(regions: Iterable[Region], options: Options) -> list[Diagnostic]:
    """CQ915 where a method that tests 0 alone is asked about another number."""
    if options.population or not is_estimator(options.method) or not ESTIMATORS[options.method].tests_zero:
        return []
    way = "claim `> 0` or `< 0`; any other region is read off an interval: leave the method out"
    return [
        Diagnostic("CQ915", f"`{options.method}` tests whether a difference is 0, and no other number", help=(way,))
        for region in regions
        if {region.low, region.high} not in ({0.0, math.inf}, {-math.inf, 0.0}, {0.0})
    ][:1]


def refusals(shape: Shape, options: Options) -> list[Diagnostic]:
    """Why the method asked for cannot do this estimand."""
    chosen = ESTIMATORS[options.method]
    if not terms_in(shape.combine):
        return []
    if options.until is not None and corner_in(shape.combine) is not None:
        message = "no interval at the corner of `abs`, `max`, `min` and even powers holds at every look"
        return [Diagnostic("CQ950", message, help=("ask for what stands inside, or leave `until` out",))]
    if options.until is not None and any(isinstance(e, Call) and e.function in _ONE_LOOK for e in walk(shape.combine)):
        message = "no interval of a quantile or a correlation is known to hold at every look"
        return [Diagnostic("CQ950", message, help=("ask for a mean or a probability, or leave `until` out",))]
    if corner_in(shape.combine) is not None and options.method != "default":
        return [
            Diagnostic(
                "CQ608",
                f"`{options.method}` fails at the corner of `abs`, `max`, `min` and even powers: "
                "a true zero would never be covered",
                help=("leave the method out: the default carries an interval through the corner",),
            )
        ]
    reason = chosen.refuse(shape)
    if not reason:
        return []
    return [
        Diagnostic(
            "CQ607",
            f"`{options.method}` is no method for this estimand: {reason}",
            help=("leave the method out: the default fits the form of the estimand",),
        )
    ]


def unknown_method(name: str) -> DiagnosticError:
    """CQ601."""
    return error("CQ601", f"unknown method `{name}`", help=did_you_mean(name, ESTIMATORS))


def _few_for_level(resamples: int, level: float, method: str) -> list[Diagnostic]:
    """Ten replicates beyond each end: 399 for 95% (Davison & Hinkley 1997, section 5.2)."""
    need = math.ceil(20 / (1 - level) - 1e-9) - 1
    if resamples >= need:
        return []
    message = f"{resamples} resamples are too few for a {100 * level:g}% interval: at least {need} are needed"
    return [Diagnostic("CQ605", message, help=(f"write `{method}(2000)`",))]


def _idle_in_population(options: Options) -> list[Diagnostic]:
    if options.method == "default" and options.seed is None:
        return []
    message = "`as population` is exact: method and seed without effect"
    return [warning("CQ612", message, help="leave out the method, or leave out `as population`")]
