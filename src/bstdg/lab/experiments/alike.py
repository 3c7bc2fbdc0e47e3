"""One input, network by network: what a recipe's network reaches beside others that read exactly the same."""

from __future__ import annotations

from bstdg.lab.experiments import catalogue
from bstdg.lab.experiments.tables import NONE, Runs, Sheet, mean_and_spread

SAID = """\
Accuracy, %, of networks that read exactly what the recipe's network reads, with its augmentation, split and structure
(logistic regression has none, and sees each training sample as it is). From left to right: what no hidden layer is
needed for; what the structure can do with float32 weights and numbers; what is left of that when the input comes in the
steps that a spiking network reads; with one-bit weights and activations, without spikes; by backpropagation through
time; and with single spikes and their times, here. A number in brackets is how many seeds there are, where not three.
"""
COLUMNS = {  # of a recipe's counterparts, by the name of their results
    "logistic regression": "baseline-logistic-{recipe}",
    "float32": "baseline-ann-{recipe}",
    "float32, its steps": "baseline-ann-8-steps-{recipe}",
    "binary": "baseline-bnn-{recipe}",
    "binary weights": "baseline-bnn-relu-{recipe}",
    "BPTT": "",
    "here": "{recipe}",
}
ROWS = (*catalogue.WITH_COUNTERPARTS, *(f"{name}-blocks" for name in catalogue.IN_BLOCKS))
# What reads pixels has its float, binary and BPTT networks among the predecessors, which take no recipe.
PIXELS = {
    recipe: {
        "float32": f"baseline-mlp{width}-{recipe}",
        "binary": f"baseline-binary{width}-{recipe}",
        "BPTT": f"baseline-bptt{width}-{recipe}",
    }
    for recipe, width in (("mnist", ""), ("fashion-mnist", "-1000"))
}


def sheet(runs: Runs) -> Sheet:
    """A row for each recipe that has a counterpart, in the order of the catalogue."""
    rows = []
    for recipe in ROWS:
        names = [PIXELS.get(recipe, {}).get(column) or name.format(recipe=recipe) for column, name in COLUMNS.items()]
        cells = [_accuracy(f"runs/{name}", runs) for name in names]
        if any(cell != NONE for cell in cells[:-1]):
            structure = next((mine[0].structure for name in names[::-1] if (mine := runs.get(f"runs/{name}"))), NONE)
            rows.append((recipe, structure, *cells))
    return Sheet("one input, network by network", ("recipe", "structure", *COLUMNS), tuple(rows))


def _accuracy(name: str, runs: Runs) -> str:
    values = [100 * run.test["accuracy"] for run in runs.get(name, ())]
    few = f" ({len(values)})" if len(values) not in (0, 3) else ""
    return mean_and_spread(values, 2) + few
