"""What a shell may offer for an argument. Light: it runs at every press of the tab key."""

from __future__ import annotations

from bstdg.shipped import shipped_recipes


def recipes(incomplete: str) -> list[str]:
    """Recipes that come with the package."""
    return _beginning(shipped_recipes(), incomplete)


def data_sets(incomplete: str) -> list[str]:
    """Names of data sets."""
    from bstdg import datasets

    return _beginning(datasets.names(), incomplete)


def engines(incomplete: str) -> list[str]:
    """Names of engines."""
    from bstdg import engine

    return _beginning(engine.names(), incomplete)


def targets(incomplete: str) -> list[str]:
    """What a model can be exported to."""
    from bstdg import export

    return _beginning(export.targets(), incomplete)


def baselines(incomplete: str) -> list[str]:
    """Predecessors and plain networks."""
    from bstdg.lab import predecessors

    return _beginning(predecessors.names(), incomplete)


def experiments(incomplete: str) -> list[str]:
    """What can be reproduced."""
    from bstdg.lab.experiments import catalogue

    return _beginning((experiment.name for experiment in catalogue.EXPERIMENTS), incomplete)


def _beginning(names, incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
