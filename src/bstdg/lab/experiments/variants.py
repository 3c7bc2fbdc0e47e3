"""What experiments are made of: variants of recipes, predecessors, and the experiment that trains both."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bstdg.lab.experiments.results import QUICK

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Variant:
    """One setting, trained once a seed.

    Attributes:
        name: its place below the results folder.
        recipe: a recipe that comes with the package.
        overrides: fields set otherwise, as `--set` takes them.
        group, label: how an ablation table or a trade-off curve calls it.
        exits: also judge the trained network with other thresholds at the output.
        folds: of cross-validation: the run of seed s is judged on fold 1 + s % folds; 0: the recipe's own split.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()
    group: str = ""
    label: str = ""
    exits: bool = False
    folds: int = 0


@dataclass(frozen=True)
class Predecessor:
    """A predecessor trained here: `method` of `bstdg.lab.predecessors`, on a data set; `hidden` 0 is its own width.

    `settings` are those of its fields that are not as they are for MNIST. A counterpart has a `recipe`,
    from which it takes all but its settings, with `overrides` and `folds` as a variant has them; its place ends with
    the recipe's name and `suffix`. S4NN and BS4NN are also judged with
    their input times put into each number of `blocks`.
    """

    method: str
    data: str
    hidden: int = 0
    settings: tuple[tuple[str, float | str], ...] = ()
    recipe: str = ""
    folds: int = 0
    blocks: tuple[int, ...] = ()
    overrides: tuple[str, ...] = ()
    suffix: str = ""

    @property
    def name(self) -> str:
        """Its place below the results folder."""
        if self.recipe:
            steps = dict(self.settings).get("steps")
            return f"runs/baseline-{self.method}{f'-{steps}-steps' if steps else ''}-{self.recipe}{self.suffix}"
        width = f"-{self.hidden}" if self.hidden else ""
        return f"runs/baseline-{self.method}{width}-{self.data}"

    @property
    def variant(self) -> Variant:
        """Its recipe, as a setting of its own."""
        return Variant(self.name, self.recipe, self.overrides, folds=self.folds)


@dataclass(frozen=True)
class Experiment:
    """Something `bstdg reproduce` runs.

    Attributes:
        name: what is typed.
        tests: what of the paper or of this project it tests, in a line.
        data: the data set of its full run, and `quick_data` of the quick one.
        variants: what is trained; `quick` stands in with fewer epochs.
        predecessors: what it is compared with.
        minutes: rough time of the full run (all seeds, one core) and of the quick one.
        seeds: of the full run, unless told otherwise.
    """

    name: str
    tests: str
    data: str
    variants: tuple[Variant, ...]
    quick: tuple[Variant, ...]
    minutes: tuple[float, float]
    quick_data: str = ""
    predecessors: tuple[Predecessor, ...] = ()
    seeds: tuple[int, ...] = SEEDS


def quick(variants: tuple[Variant, ...], *overrides: str) -> tuple[Variant, ...]:
    return tuple(
        replace(v, name=f"{QUICK}/{v.name}", overrides=(*v.overrides, *overrides), exits=v.exits) for v in variants
    )


def of_recipes(*recipes: str) -> tuple[Variant, ...]:
    return tuple(Variant(f"runs/{recipe}", recipe) for recipe in recipes)
