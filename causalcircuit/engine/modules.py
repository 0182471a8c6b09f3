"""Modules that a plan names by their path: known only now that the model is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from causalcircuit.diagnostics import error
from causalcircuit.engine.formulas import bare_sites
from causalcircuit.models import LoadedModel, Wanted, with_modules
from causalcircuit.query import Site, render
from causalcircuit.query.plan import Plan


def with_named(plan: Plan, models: Mapping[str, LoadedModel]) -> dict[str, LoadedModel]:
    """The models with the modules that the plan reads or assigns.

    Raises:
        DiagnosticError: CQ560 and CQ561, no such module or no such site; CQ303, a value that depends on its target,
            which is not known before.
    """
    found = {name: with_modules(model, _wanted(plan, name)) for name, model in models.items()}
    for run in plan.runs:
        for a in run.world.assignments:
            if isinstance(a.target, Site):
                for value in bare_sites(a.value):
                    _acyclic(found, a.target, value)
    return found


def _wanted(plan: Plan, model: str) -> Iterator[Wanted]:
    for run in plan.runs:
        for site in (*run.targets, *run.reads):
            if run.model == model and isinstance(site, Site) and site.address.module is not None:
                yield Wanted(site.address, site.span)


def _acyclic(models: Mapping[str, LoadedModel], target: Site, value: Site) -> None:
    named = target.address.module is not None or value.address.module is not None
    if not named or target.address.model != value.address.model or target.address.model not in models:
        return
    table = models[target.address.model].sites
    if table.depends(table.info(value.address), table.info(target.address)):
        raise error(
            "CQ303",
            f"`{render(target)}` is set to a value that depends on it: `{render(value)}` comes after it",
            value.span or target.span,
            "downstream of the target",
            help=f"take it from another world: `({render(value)} | do())` is its factual value",
        )
