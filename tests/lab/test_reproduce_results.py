"""Runs as JSON, the tables made of them, and the page that is in the documentation."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import needs
from support.nasty import acting
from support.paths import ROOT
from support.strange import changed

from bstdg import datasets
from bstdg.errors import FileFormatError, InputError
from bstdg.lab.experiments import alike, catalogue, claims, figures, judge, notes, page, results, steps, sweeps, tables
from bstdg.lab.experiments.claims import CLAIMS, Claim
from bstdg.lab.experiments.published import RELEASED
from bstdg.lab.experiments.results import Run
from bstdg.lab.experiments.run import recipe_of
from bstdg.model import energy
from bstdg.model.sizes import Size
from bstdg.shipped import shipped_recipes

FIGURES = {
    "samples": 100,
    "accuracy": 0.9,
    "accuracy_ties_correct": 0.91,
    "tie_rate": 0.01,
    "silent_rate": 0.02,
    "decision_step_mean": 2.0,
    "num_steps": 8,
    "hidden_spikes_to_decision": 30.0,
    "synaptic_operations_to_decision": 1234.0,
}


def make(name: str = "runs/mnist", seed: int = 0, **changes) -> Run:
    test = FIGURES | changes.pop("test", {})
    run = Run(
        name=name,
        method=results.OURS,
        data="mnist",
        widths=(784, 600, 10),
        seed=seed,
        quick=False,
        config={"data": {"name": "mnist"}},
        epochs=3,
        best_epoch=2,
        seconds=1.5,
        validation={},
        test=test,
        engine="native",
        machine={"processor": "one", "threads": 1},
    )
    return dataclasses.replace(run, **changes)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    for run in (make(), make("runs/other", 12, extra={"by_speaker": {"4": {"accuracy": 0.5}}}, model_bytes=7)):
        assert results.load(results.save(run, tmp_path), tmp_path) == run
    assert results.load_all(tmp_path) == {"runs/mnist": [make()], "runs/other": [run]}


def test_quick_tries_and_trained_networks_are_not_published(tmp_path):
    results.save(make(), tmp_path)
    results.save(make("quick/runs/mnist", quick=True), tmp_path)
    results.save(make("runs/odd", quick=True), tmp_path)
    (tmp_path / "training" / "x").mkdir(parents=True)
    (tmp_path / "training" / "x" / "seed0.json").write_text("of another kind")
    assert list(results.load_all(tmp_path)) == ["runs/mnist"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: "", "is no JSON"),
        (lambda v: "[" * 100_000, "is no JSON"),
        (lambda v: '{"format": ', "is no JSON"),
        (lambda v: "[1, 2]", "it is no JSON object"),
        (lambda v: json.dumps(v | {"format": "else"}), '"format" should be "bstdg-run"'),
        (lambda v: json.dumps(v | {"version": 2}), "its version is 2"),
        (lambda v: json.dumps({k: x for k, x in v.items() if k != "seconds"}), "unknown or missing: seconds"),
        (lambda v: json.dumps(v | {"colour": 1}), "unknown or missing: colour"),
        (lambda v: json.dumps(v | {"seed": True}), "seed should be a whole number"),
        (lambda v: json.dumps(v | {"epochs": -1}), "epochs should be a whole number"),
        (lambda v: json.dumps(v | {"quick": 0}), "quick should be true or false"),
        (lambda v: json.dumps(v | {"seconds": float("nan")}), "NaN is no number"),
        (lambda v: json.dumps(v | {"seconds": "1"}), "seconds should be a number"),
        (lambda v: json.dumps(v | {"engine": "\ud800"}), "half a surrogate pair"),
        (lambda v: json.dumps(v | {"widths": [784, 10**30]}), "widths should be"),
        (lambda v: json.dumps(v | {"test": FIGURES | {"accuracy": "high"}}), "test.accuracy should be a number"),
        (lambda v: json.dumps(v | {"test": FIGURES | {"samples": [1]}}), "test.samples should be a number"),
        (lambda v: json.dumps(v | {"test": FIGURES | {"hidden_spikes_by_layer": 3}}), "should be numbers of 0 or more"),
        (lambda v: json.dumps(v | {"extra": {"by_speaker": [1]}}), "extra.by_speaker should be an object"),
        (lambda v: json.dumps(v | {"extra": {"by_speaker": {"4": {}}}}), "extra.by_speaker.4.accuracy is missing"),
        (lambda v: json.dumps(v | {"extra": {"exits": [{"offset": "x"}]}}), "extra.exits[0].offset should be"),
        (lambda v: json.dumps(v | {"extra": {"exits": [{}]}}), "extra.exits[0].offset should be"),
        (lambda v: json.dumps(v | {"extra": {"blocks": {}}}), "extra.blocks should be a list"),
        (lambda v: json.dumps(v | {"extra": {"blocks": [{"blocks": 8}]}}), "extra.blocks[0].accuracy is missing"),
        (
            lambda v: json.dumps(v | {"extra": {"blocks": [{"blocks": None}]}}),
            "extra.blocks[0].blocks should be a whole",
        ),
        (lambda v: json.dumps(v | {"extra": {"structure": 3}}), "extra.structure should be a text"),
        (lambda v: json.dumps(v | {"extra": {"sizes": [{"channels": 3}]}}), "extra.sizes should be a list of objects"),
        (lambda v: json.dumps(v | {"extra": {"sizes": [[1, 2, 3, 4]]}}), "extra.sizes should be a list of objects"),
        (lambda v: json.dumps(v | {"config": []}), "config should be an object"),
        (lambda v: json.dumps(v | {"widths": [784, 0, 10]}), "widths should be"),
        (lambda v: json.dumps(v | {"widths": "784-10"}), "widths should be"),
        (lambda v: json.dumps(v | {"test": {"samples": 3}}), "test.accuracy is missing"),
        (lambda v: json.dumps(v | {"test": FIGURES | {"accuracy": 97.0}}), "test.accuracy is a share"),
        (lambda v: json.dumps(v | {"test": FIGURES | {"accuracy": None}}), "test.accuracy should be a number"),
        (lambda v: json.dumps(v | {"validation": {"tie_rate": -0.5}}), "validation.tie_rate should be a number"),
        (lambda v: json.dumps(v | {"seed": 1}), "belong to"),
        (lambda v: json.dumps(v | {"name": "runs/else"}), "belong to"),
    ],
)
def test_a_bad_or_foreign_file_is_refused_in_one_line(tmp_path, change, said):
    path = results.save(make(), tmp_path)
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(FileFormatError) as caught:
        results.load_all(tmp_path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.data())
@settings(max_examples=200)
def test_any_part_of_a_run_may_be_anything(tmp_path_factory, data):
    """Refused in one line, or good for every table of the page."""
    folder = tmp_path_factory.mktemp("results")
    speaker = {"4": {"accuracy": 0.5, "samples": 10}, "5": {"accuracy": 0.5, "samples": 10}}
    extra = {"by_speaker": speaker, "speakers": {"known": {"accuracy": 0.5}}, "exits": [{"offset": 2, **FIGURES}]}
    place = data.draw(st.sampled_from(["runs/mnist", "runs/hd-spikes-edges", "tradeoff/mnist/base"]))
    path = results.save(make(place, extra=extra, test={"hidden_spikes_by_layer": [3.0]}), folder)
    path.write_text(json.dumps(changed(data.draw, json.loads(path.read_text()))))
    try:
        runs = results.load_all(folder)
    except FileFormatError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
        return
    assert page.text(runs, []).encode()


def test_a_report_of_a_network_without_spikes_has_no_spike_figures(tmp_path):
    report = {
        "baseline": "mlp",
        "recipe": {"data": {"name": "mnist"}},
        "widths": [784, 600, 10],
        "seed": 1,
        "epochs": 2,
        "best_epoch": 1,
        "seconds": 3.0,
        "validation": None,
        "test": FIGURES | {"decision_step_mean": None},
        "training_engine": "torch",
        "machine": {},
    }
    run = results.from_report(report, "runs/baseline-mlp-mnist")
    path = results.path_of(tmp_path, run.name, run.seed)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(report))  # as training leaves it
    assert results.load_all(tmp_path) == {run.name: [run]}
    path.write_text(json.dumps({k: v for k, v in report.items() if k != "widths"}))
    with pytest.raises(FileFormatError, match="lacks or misstates 'widths'"):
        results.load_all(tmp_path)
    assert (run.method, run.data, run.structure) == ("mlp", "mnist", "784-600-10")
    assert "decision_step_mean" not in run.test
    assert tables.settings("", [("mlp", [run])]).rows[0][8] == tables.NONE


# --- claims ----------------------------------------------------------------------------------------------------------


def claim(relation: str, target: float | str, figure: str = "accuracy", of: float | None = None) -> Claim:
    return Claim("mnist", "a claim", "runs/mnist", figure, relation, target, "goal", "what it is", of)


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        (claim("at least", 0.75), "PASS"),
        (claim("at least", 0.7501), "NOT MET"),
        (claim("at most", 0.75), "PASS"),
        (claim("at most", 0.7499), "NOT MET"),
        (claim("above", 0.75), "NOT MET"),
        (claim("above", 0.7499), "PASS"),
        (claim("at least", 30.0, "steps", 90.0), "PASS"),  # counted from 1: 90 / (2 + 1)
        (claim("at least", 30.1, "steps", 90.0), "NOT MET"),
        (claim("at least", "runs/other"), "PASS"),
        (claim("above", "runs/mnist"), "NOT MET"),
        (claim("above", "runs/none"), "NOT MEASURED"),
        (dataclasses.replace(claim("above", 0.5), run="runs/none"), "NOT MEASURED"),
    ],
)
def test_a_claim_is_judged_by_the_mean_over_seeds(made, outcome):
    runs = {
        "runs/mnist": [make(seed=i, test={"accuracy": a}) for i, a in enumerate((0.5, 0.75, 1.0))],
        "runs/other": [make("runs/other", test={"accuracy": 0.7})],
    }
    assert judge.judge(made, runs).outcome == outcome
    row = tables.claims([made], runs).rows[0]
    assert row[-1] == outcome
    assert row[-2] == ("0" if made.run == "runs/none" else "3")


@pytest.mark.parametrize(
    ("of", "figure", "number", "outcome"),
    [
        ("runs/other", "steps", 0, "100.00 times"),  # (299 + 1) / (2 + 1)
        ("runs/other", "steps", 8, "2.00 times"),  # the mean of 4 and 6, + 1
        ("runs/other", "synaptic_operations_to_decision", 0, "2.00 times"),
        ("runs/other", "steps", 4, "NOT MEASURED"),
        ("runs/none", "steps", 8, "NOT MEASURED"),
    ],
)
def test_a_figure_is_told_as_a_fraction_of_a_measured_one_at_its_own_clock_or_in_blocks(of, figure, number, outcome):
    rows = [{"extra": {"blocks": [{"blocks": 8, **FIGURES, "decision_step_mean": step}]}} for step in (4.0, 6.0)]
    slow = {"decision_step_mean": 299.0, "num_steps": 256, "synaptic_operations_to_decision": 2468.0}
    runs = {
        "runs/mnist": [make()],
        "runs/other": [make("runs/other", i, test=slow, **row) for i, row in enumerate(rows)],
    }
    made = dataclasses.replace(claim("above", 1.0, figure), fraction_of=of, blocks=number)
    row = tables.claims([made], runs).rows[0]
    assert outcome in (row[-1], row[-3])
    assert (row[-1] == "PASS") == (outcome != "NOT MEASURED")


def test_energy_is_judged_by_the_estimate_of_the_tables():
    spikes = {"input_spikes_to_decision": 100.0, "hidden_spikes_by_layer": [40.0], "hidden_spikes_to_decision": 40.0}
    run = make(test=spikes)
    made = dataclasses.replace(claim("above", 1.0, "energy"), fraction_of=2 * tables.energy(run))
    assert judge.judge(made, {"runs/mnist": [run]}).values == (pytest.approx(2.0),)
    assert judge.judge(made, {"runs/mnist": [make()]}).outcome == "NOT MEASURED"  # its figures do not suffice
    assert RELEASED[0].energy == pytest.approx(737.49, abs=0.01)


def test_the_page_says_what_of_a_ratio_of_steps_is_time_alone():
    spikes = {"input_spikes_to_decision": 100.0, "hidden_spikes_by_layer": [40.0]}
    blocks = [{"blocks": number, **FIGURES, "decision_step_mean": step} for number, step in ((4, 1.25), (8, 5.0))]
    named = {
        "runs/mnist": [make(test=spikes)],
        "runs/baseline-bs4nn-mnist": [
            make("runs/baseline-bs4nn-mnist", extra={"blocks": blocks}, method="bs4nn"),
            make(
                "runs/baseline-bs4nn-mnist", 1, method="bs4nn", test={"accuracy": 0.1}
            ),  # judged at its own clock alone
        ],
    }
    text = " ".join("".join(steps.said(named)).split())
    assert (
        "has 90.00 % there, 90.00 % at its own 256 steps" in text
        and "decides at step 5.00; its released weights decide at 3.5" in text
    )
    assert "At equal T these are 2.0 and 1.5 times fewer steps, counted from 1, not 38" in text
    assert "1,234 operations against 82,344" in text
    rows = steps.sheet(named.items()).rows
    assert [row[:3] for row in rows] == [("baseline-bs4nn-mnist", t, "1") for t in ("8", "8", "4")]
    assert [row[6] for row in rows] == ["2.00", "5.00", "1.25"]
    del named["runs/baseline-bs4nn-mnist"]
    assert list(steps.said(named)) == [] and steps.sheet(named.items()).rows == ()


def test_networks_on_one_input_stand_in_one_row():
    names = ("baseline-logistic-mnist", "baseline-ann-8-steps-mnist", "baseline-bptt-mnist", "mnist", "digits")
    runs = {
        f"runs/{name}": [make(f"runs/{name}", seed, test={"accuracy": 0.9 + n / 100}) for seed in range(3 - n % 2)]
        for n, name in enumerate(names)
    }
    sheet = alike.sheet(runs)
    head = dict(zip(sheet.columns, sheet.rows[0], strict=True))
    assert [row[0] for row in sheet.rows] == ["mnist"]
    assert (head["logistic regression"], head["float32"], head["BPTT"]) == ("90.00 ± 0.00", "-", "92.00 ± 0.00")
    assert (head["float32, its steps"], head["here"]) == ("91.00 ± 0.00 (2)", "93.00 ± 0.00 (2)")
    assert alike.sheet({"runs/mnist": runs["runs/mnist"]}).rows == ()  # nothing stands beside it
    made = {p.name for e in catalogue.EXPERIMENTS for p in e.predecessors}
    told = {f"runs/{n.format(recipe=r)}" for r in alike.ROWS for n in list(alike.COLUMNS.values())[:5]}
    assert {name for name in made if "-edges" in name} <= told and made >= {
        f"runs/{n}" for row in alike.PIXELS.values() for n in row.values()
    }


def test_the_page_says_what_a_split_and_a_regression_without_hidden_layers_tell():
    name = "runs/baseline-logistic-caltech-edges"
    runs = {
        name: [make(name, data="caltech-face-motorbike", test={"accuracy": 0.9875})],
        f"{name}-blocks": [make(f"{name}-blocks", data="caltech-face-motorbike-blocks", test={"accuracy": 0.5})],
    }
    said = {data: " ".join("".join(notes.of(data, runs)).split()) for data in datasets.names()}
    assert {data for data, text in said.items() if text} == {data for data in said if data.startswith("caltech")}
    published, blocks = said["caltech-face-motorbike"], said["caltech-face-motorbike-blocks"]
    assert "96.5 % of the faces that are tested, and 0.5 % of the motorbikes" in published
    assert "reaches 98.75 %" in published and "50.00" not in published
    assert "nobody is on both sides" in blocks and "reaches 50.00 %" in blocks
    assert "reaches" not in said["caltech-face-motorbike-all"]


def test_a_split_by_blocks_is_a_setting_of_its_own():
    made = {one.name: one for e in catalogue.EXPERIMENTS for one in (*e.variants, *e.predecessors)}
    for name in ("runs/caltech-edges-blocks", "runs/baseline-ann-8-steps-caltech-edges-blocks"):
        one = made[name]
        recipe = recipe_of(getattr(one, "variant", one))
        assert recipe.data.name == catalogue.BLOCKS
        assert dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, name="caltech-face-motorbike")) == (
            recipe_of(catalogue.Variant("", "caltech-edges"))
        )


def test_every_claim_belongs_to_an_experiment_and_to_a_run_it_makes():
    places = {"mnist", "fashion-mnist", "caltech", "hd-spikes", "mit-bih", "nmnist", "cifar10"}
    for one in CLAIMS:
        assert one.experiment in places
        made = {variant.name for e in catalogue.EXPERIMENTS for variant in e.variants}
        compared = {p.name for e in catalogue.EXPERIMENTS if e.name == one.experiment for p in e.predecessors}
        assert one.run.startswith(f"runs/{one.experiment}")
        assert one.run in made or one.run.removeprefix("runs/") not in shipped_recipes()
        assert not isinstance(one.target, str) or one.target in compared or not compared
        assert not isinstance(one.fraction_of, str) or one.fraction_of in compared


def test_speakers_are_judged_by_their_recordings():
    speaker = {"4": {"accuracy": 0.5, "samples": 100}, "5": {"accuracy": 1.0, "samples": 300}}
    run = make("runs/hd-spikes", extra={"by_speaker": speaker, "speakers": {"unseen": {"accuracy": 0.875}}})
    assert judge.figure_of(run, claims.UNSEEN_SPEAKERS) == 0.875
    sheet = tables.speakers([("hd-spikes", [run, make("runs/hd-spikes", 1)])])
    assert sheet.columns == ("network", "speakers trained on", "other speakers", "speaker 4", "speaker 5")
    assert sheet.rows == (("hd-spikes", "-", "87.50", "50.00", "100.00"),)


# --- the catalogue ---------------------------------------------------------------------------------------------------


def test_every_recipe_of_the_catalogue_is_there_and_its_overrides_are_understood():
    from bstdg.lab.experiments.run import recipe_of

    for experiment in catalogue.EXPERIMENTS:
        for variant in (*experiment.variants, *experiment.quick):
            data = recipe_of(variant).data.name
            assert data.startswith(experiment.data) or data == experiment.quick_data
        assert all(v.name.startswith("quick/") for v in experiment.quick)
        assert not any(v.name.startswith("quick/") for v in experiment.variants)


def test_cross_validation_judges_every_fold_once():
    experiment = catalogue.find("nmnist")
    for variant in experiment.variants:
        assert [recipe_of(variant, seed).data.fold for seed in experiment.seeds] == [1, 2, 3, 4, 5]
    assert {(p.recipe, p.folds) for p in experiment.predecessors} == {("nmnist-counts", 5)}
    assert recipe_of(catalogue.find("mnist").variants[0], 3).data.fold == 0


def test_two_settings_of_one_name_are_one_setting():
    from bstdg.lab.experiments.run import recipe_of

    seen = {}
    for experiment in catalogue.EXPERIMENTS:
        for variant in (*experiment.variants, *experiment.quick):
            assert seen.setdefault(variant.name, recipe_of(variant)) == recipe_of(variant)


def test_an_unknown_experiment_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'mnist'"):
        catalogue.find("mnits")


# --- the page --------------------------------------------------------------------------------------------------------


def filled(folder: Path) -> None:
    for seed in range(2):
        results.save(make(seed=seed, test={"accuracy": 0.9 + seed / 100}), folder)
        for variant in (*sweeps.ablations("mnist"), *sweeps.tradeoff("mnist")):
            row = FIGURES | {"engine": "native", "accuracy": 0.8 + len(variant.name) / 1000}
            extra = {"exits": [{"offset": o, **row} for o in (-2, None)]} if variant.exits else {}
            results.save(make(variant.name, seed, extra=extra, test=row), folder)


def test_the_page_holds_the_figures_and_is_the_same_whenever_it_is_written(tmp_path):
    filled(tmp_path / "results")
    for place in ("a", "b"):
        written = page.write(tmp_path / "results", tmp_path / place / "results.md")
    assert [path.name for path in written] == [
        "results.md",
        "tradeoff-mnist-steps.svg",
        "tradeoff-mnist-operations.svg",
    ]
    for path in written:
        again = tmp_path / "a" / path.relative_to(tmp_path / "b")
        assert path.read_bytes() == again.read_bytes()
    text = written[0].read_text()
    assert "| mnist | 784-600-10 | 8 | 3 | 2 | 90.50 ± 0.71 |" in text
    assert "NOT MET" in text
    assert "no early exit" in text
    assert text.count("](figures/tradeoff-mnist-") == 2


def test_names_in_results_are_words_on_the_page_and_nothing_else(tmp_path):
    filled(tmp_path / "results")
    odd = "runs/a|b\n# <b>$\\bad{$ \x1b[1m\udce9"
    results.save(make(odd, machine={"processor": "<script>\n\n# forged | \x1b", "threads": 1}), tmp_path / "results")
    written = page.write(tmp_path / "results", tmp_path / "results.md")
    text = written[0].read_text(encoding="utf-8")
    assert acting(text) == []
    assert r"| a\|b\n# &lt;b>$\bad{$ \x1b[1m\xe9 |" in text
    assert r"- Measured on &lt;script>\n\n# forged \| \x1b, 1 thread(s)" in text
    for path in written[1:]:
        ET.parse(path)  # noqa: S314  (written above)


def test_the_curve_shows_every_point_and_the_predecessors(tmp_path):
    filled(tmp_path)
    runs = results.load_all(tmp_path)
    axes = figures.tradeoff("mnist", "steps", runs).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert {"latency weight", "spike weight", "both weights", "recipe mnist"} <= set(labels)
    assert {f"{r.what}, released weights" for r in RELEASED} <= set(labels)
    drawn = sum(len(line[0].get_xdata()) for line in axes.containers)
    twice = 2  # the base is also where either single weight's curve begins
    assert drawn == len(sweeps.tradeoff("mnist")) + twice + 1 + len(RELEASED)
    beyond = figures.tradeoff("mnist", "operations", runs).axes[0].get_legend_handles_labels()[1]
    assert sum("released" in label for label in beyond) == 1  # the operations of one alone are stated


def test_a_network_with_shared_weights_keeps_its_structure_and_sizes(tmp_path):
    sizes = [Size(784, 9216, 250.5, 400), Size(9216, 10, 10, 92_160)]
    report = {
        "baseline": "ann",
        "recipe": {"data": {"name": "mnist"}},
        "structure": "1x28x28-16c5-10",
        "widths": [784, 9216, 10],
        "sizes": [size._asdict() for size in sizes],
        **dict.fromkeys(("seed", "epochs", "best_epoch", "seconds"), 1),
        "validation": None,
        "test": {"accuracy": 0.9, "samples": 10, "synaptic_operations_to_decision": 288_552.0},
        "training_engine": "torch",
        "machine": {},
    }
    run = results.from_report(report, "runs/baseline-ann-mnist-conv")
    loaded = results.load(results.save(run, tmp_path), tmp_path)
    assert loaded == run and loaded.structure == "1x28x28-16c5-10"
    assert tables.energy(loaded) == pytest.approx(energy.of_report(report)["estimate_pj"]["total"] / 1000)
    plain = {k: v for k, v in report.items() if k not in ("structure", "sizes")}
    assert tables.energy(results.from_report(plain, run.name)) > 5 * tables.energy(run)
    assert results.from_report(plain | {"structure": "784-9216-10", "sizes": []}, run.name).extra == {}


def test_a_page_without_runs_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="there are no results"):
        page.write(tmp_path / "none", tmp_path / "results.md")
    with pytest.raises(InputError, match="a Markdown file"):
        page.write(tmp_path, tmp_path / "results.html")


@needs.mark("docs", (ROOT / "docs" / "results.md").exists(), "beside these tests")
def test_the_page_in_the_documentation_is_what_the_results_give(tmp_path):
    written = page.write(ROOT / "results", tmp_path / "results.md")
    assert (ROOT / "docs" / "results.md").read_text() == written[0].read_text()
    for path in written[1:]:
        assert (ROOT / "docs" / "figures" / path.name).exists()
