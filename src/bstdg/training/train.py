"""Training, from a recipe to a deployed model on disk.

A run's folder holds `model.bstdg` (the deployed network of the best validation epoch), `checkpoint.safetensors` (to
go on from), `start.json` (the thresholds it began with), `log.jsonl` (a line an epoch) and `report.json` (figures on
the test set, which is read once, at the end).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bstdg import datasets, files
from bstdg.about import about_machine
from bstdg.datasets import Dataset, EventDataset, StepDataset
from bstdg.engine import choose, native_training, real
from bstdg.engine.decide import decide
from bstdg.errors import InputError, TrainingError
from bstdg.inputs import checks as advice
from bstdg.inputs import edges
from bstdg.inputs.features import FeatureScaling
from bstdg.inputs.latency import latency
from bstdg.learning.average import Average
from bstdg.learning.loss import Loss
from bstdg.learning.modules import SpikeDropout
from bstdg.learning.network import Network, flip_ratio
from bstdg.learning.recipe import Recipe, TrainConfig, from_dict
from bstdg.model import packed, runtime
from bstdg.model.tally import Tally
from bstdg.progress import Progress, Quiet, live
from bstdg.spikes.events import Events
from bstdg.training import augmentation as augment
from bstdg.training import checkpoint, feed, lessons
from bstdg.training.health import HealthWatch
from bstdg.training.tensorboard import EpochWriter

MODEL, START, LOG, REPORT = "model.bstdg", "start.json", "log.jsonl", "report.json"
RUN_FILES = (checkpoint.NAME, checkpoint.PREVIOUS, lessons.TEACHER, MODEL, START, LOG, REPORT)
EVALUATION_BATCH = 1000

Loader = Callable[[str, datasets.Split], Dataset | EventDataset]


def train(
    recipe: Recipe,
    out: Path | str,
    *,
    seed: int = 0,
    data_dir: Path | str | None = None,
    device: str = "auto",
    engine: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    show_progress: bool = False,
    tensorboard: bool = False,
    load: Loader | None = None,
) -> dict[str, Any]:
    """Train the network of a recipe and write `model.bstdg`, checkpoint, log and report into `out`.

    Args:
        recipe: what to train, on what, and how.
        out: folder of the run, made if it is not there.
        seed: decides the initial weights, the validation split and every random draw.
        data_dir: where the data set's files are (see `bstdg.datasets.load`).
        device: "cpu", "cuda", …; "auto" takes CUDA where there is one.
        engine: "native" or "dense"; by default native on a CPU, else dense.
        resume: go on from the checkpoint in `out`, if there is one; the end is bit for bit that of an unbroken run
            (on the same device with as many threads).
        overwrite: start anew though `out` holds a run.
        show_progress: report progress on standard error.
        tensorboard: also write TensorBoard events into `out`/tensorboard.
        load: gives a split of the data set, for data of one's own; called for "test" only after training.

    Returns:
        What `report.json` holds.

    Raises:
        InputError: recipe, data or folder do not fit.
        FileFormatError: a data file or the checkpoint is damaged.
        TrainingError: the loss is no longer a number.
        OSError: a file could not be written; what was there before still is.
    """
    loader: Loader = load or (
        lambda name, split: datasets.load(name, split, data_dir, progress=show_progress, size=recipe.data.size)
    )
    out = Path(out)
    _check_folder(out, resume, overwrite)
    run = TrainingRun(recipe, loader(recipe.data.name, "train"), seed, find_device(device), engine)
    _prepare_folder(out, overwrite)  # not before recipe and data are known to be good
    run.prepare(out)
    files.write_atomic(out / START, (json.dumps(run.start) + "\n").encode())
    if resume and (out / checkpoint.NAME).exists():
        run.restore(checkpoint.load(out / checkpoint.NAME))
    _cut_log(out / LOG, run.epoch)
    progress: Progress = live(recipe.train.epochs, len(run.training), run.epoch) if show_progress else Quiet()
    writer = EpochWriter(out / "tensorboard", run.epoch) if tensorboard else None
    try:
        while not run.finished:
            with native_training.own_threads() if run.engine == native_training.NAME else nullcontext():
                row = run.run_epoch(progress)
            with (out / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            checkpoint.save(out, run.checkpoint())
            progress.epoch(row)
            if writer is not None:
                writer.add(row)
    finally:
        progress.close()
        if writer is not None:
            writer.close()
    return _conclude(run, out, loader)


class TrainingRun:
    """The state of one training: everything that changes from epoch to epoch, and that a checkpoint holds.

    Args:
        recipe: what to train and how.
        dataset: the training split; a validation part is taken from it.
        seed: see `train`.
        device: where the network lives.
        engine: see `train`.
        parts: positions of the training and the validation part, where they are not to be drawn from the seed.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset | EventDataset | StepDataset,
        seed: int,
        device: torch.device,
        engine: str | None = None,
        parts: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        self.recipe, self.seed, self.device = recipe, seed, device
        self.classes, self.image_shape = dataset.classes, dataset.image_shape
        self.edges = recipe.data.edges
        seeds = np.random.SeedSequence(seed).generate_state(3)
        weights, self.generator = (torch.Generator().manual_seed(int(s)) for s in seeds[:2])
        training, validation = parts or _split(dataset, recipe, int(seeds[2]))
        self.labels, self.validation_labels = torch.from_numpy(dataset.labels[training]), dataset.labels[validation]
        self.lessons: lessons.Lessons | None = None
        self._prepare: Callable[[Path | None], lessons.Lessons | None] | None = partial(
            lessons.prepare, dataset, training, recipe, seed
        )
        widths = self._read(dataset, training, validation)
        self.network = Network(
            widths[0], len(self.classes), recipe.network, recipe.rule, weights, engine, tied_inputs=widths[1]
        ).to(device)
        first = self.training[: recipe.train.calibration]
        self.network.calibrate(first if isinstance(first, Events) else first.to(device))
        self.start = {"thresholds": [layer.thresholds.tolist() for layer in self.network.deployed()]}
        self.engine = choose.training(self.network.engine, next(self.network.parameters())).NAME
        self.average = Average(self.network, recipe.train.average) if recipe.train.average else None
        self.loss = Loss(recipe.loss).to(device)
        self.optimizer = _optimizer(self.network, self.loss, recipe.train)
        self.drop_input = SpikeDropout(recipe.train.input_dropout, self.generator)
        self.drop_hidden = SpikeDropout(recipe.train.spike_dropout, self.generator)
        self.health = HealthWatch(silent_output=recipe.network.initial_output_margin > 0)
        self.epoch, self.seconds = 0, 0.0
        self.best: dict[str, Any] = {"epoch": 0, "figures": None, "highest": -1.0}
        self.best_tensors: dict[str, Tensor] = {}
        self.stale = 0  # epochs since the validation accuracy last rose

    def prepare(self, keep: Path | None = None) -> None:
        """Make the copies and train the teacher that the recipe asks for; a teacher is kept in the folder `keep`."""
        if self._prepare is not None:
            self.lessons = self._prepare(keep)

    def _read(
        self, dataset: Dataset | EventDataset | StepDataset, training: np.ndarray, validation: np.ndarray
    ) -> tuple[int, int]:
        """Make both parts ready to be read; returns the input's width, and how much of it is tied."""
        config = self.recipe.network
        self.speakers: frozenset[int] = frozenset()  # whose recordings are trained on, where the data say so
        self.scaling: FeatureScaling | None = None
        self.training: Tensor | feed.EventFeed
        self.validation: np.ndarray | Events
        if isinstance(dataset, EventDataset):
            feed.check(self.recipe)
            self.input, self.white = self.recipe.input, 1
            if dataset.speakers is not None:
                self.speakers = frozenset(dataset.speakers[training].tolist())
            self.training = feed.EventFeed(dataset, training, self.recipe)
            self.validation = feed.EventFeed(dataset, validation, self.recipe)[:]
            return self.input.width(dataset.num_channels), self.input.tied_channels(dataset.num_channels)
        self.input, self.white = None, dataset.white
        if self.edges and not isinstance(dataset, Dataset):
            raise InputError(f"data.edges is for images; {dataset.name} are features")
        if isinstance(dataset, StepDataset):
            steps, self.scaling = dataset.steps, dataset.scaling
        else:
            images = dataset.images
            if self.edges:
                if self.recipe.train.shift:
                    raise InputError("train.shift moves pixels, which data.edges leaves none of: give distort.move")
                images = edges.maps(images, self.edges, dataset.white)
            steps = latency(images, config.num_steps, white=dataset.white, silent_below=config.silent_below)
            advice.look(steps, config.num_steps, dataset.white)
        self.training, self.validation = torch.from_numpy(steps[training]), steps[validation]
        return steps.shape[1], 0

    def release(self) -> None:
        """Forget the data, and keep what more training goes on from."""
        self.training, self.labels = torch.empty(0), torch.empty(0)
        self.validation, self.validation_labels = np.empty(0, np.uint8), np.empty(0, np.int64)
        self.lessons, self._prepare = None, None

    @property
    def finished(self) -> bool:
        """All epochs are done, or the recipe's patience is at its end."""
        patience = self.recipe.train.patience
        return self.epoch >= self.recipe.train.epochs or (patience > 0 and self.stale >= patience)

    def run_epoch(self, progress: Progress) -> dict[str, Any]:
        """One pass over the training part, then the validation figures; returns the log's row."""
        before, start = self.network.latent_signs(), time.monotonic()
        loss = self.learn(progress)
        spent = time.monotonic() - start
        tally = self.validate()
        self.health.look(tally)
        figures = tally.figures()
        self._keep_best(figures)
        self.seconds += time.monotonic() - start
        return {
            "epoch": self.epoch,
            "loss": loss,
            **figures,
            "flip_ratio": flip_ratio(before, self.network.latent_signs()),
            "silent_share": tally.silent_share(),
            "firing_share": tally.firing_share(),
            "step_0_share": tally.start_share(),
            "samples_per_second": len(self.training) / spent,
            "seconds": self.seconds,
        }

    def learn(self, progress: Progress) -> float:
        """One pass over the training part alone; returns the mean loss."""
        self.epoch += 1
        order = torch.randperm(len(self.training), generator=self.generator)
        batches = order.split(self.recipe.train.batch)
        total = 0.0
        for i, index in enumerate(batches):
            self._set_rates((self.epoch - 1) + i / len(batches))
            loss = self._step(index)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss became {loss} in epoch {self.epoch}; lower train.weight_rate or train.threshold_rate"
                )
            total += loss * len(index)
            progress.batch(self.epoch, len(index))
        return total / len(self.training)

    def _batch(self, index: Tensor) -> tuple[Tensor | Events, tuple[Tensor, float] | None]:
        """Augmented input of the samples at `index`; what a teacher says of them, and its share of the target."""
        if isinstance(self.training, feed.EventFeed):
            return self.training.batch(index, self.generator), None
        config, num_steps, taught = self.recipe.train, self.network.num_steps, None
        if self.lessons is None:
            steps = self.training.index_select(0, index)
        else:
            steps, taught = self.lessons.draw(index, self.generator)
        steps = augment.shift(steps, self.image_shape, num_steps, config.shift, config.shift_share, self.generator)
        steps = augment.jitter(steps, num_steps, config.jitter, self.generator).to(self.device)
        return steps, None if taught is None else (taught.to(self.device), self.recipe.teacher.weight)

    def _step(self, index: Tensor) -> float:
        spikes, taught = self._batch(index)
        below = self.drop_input(self.network.read(spikes))
        output = self.network(below, self.drop_hidden)
        loss = self.loss(output.potentials, output.threshold, self.labels[index].to(self.device), output.fired, taught)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.network.clip_latent_()
        if self.average is not None:
            self.average.update()
        return float(loss.detach())

    def _set_rates(self, epochs_done: float) -> None:
        """Cosine from each group's own rate to 0, and the width on its way to the final one.

        Both are functions of progress alone, so a resumed run needs no state.
        """
        rule, done = self.recipe.rule, epochs_done / self.recipe.train.epochs
        if rule.final_width:
            self.network.set_rule(replace(rule, width=rule.width + (rule.final_width - rule.width) * done))
        factor = 0.5 * (1.0 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = group["start_rate"] * factor

    @property
    def _judged(self) -> Network:
        """The network that would be deployed now."""
        return self.network if self.average is None else self.average.network

    def validate(self) -> Tally:
        """Figures of the network as it would be deployed now, on the validation part."""
        layers = self._judged.deployed()
        named = real.NAME if self.engine == real.NAME else None
        network = choose.inference(named, layers, self.network.num_steps, self.device).network
        tally = Tally(self.network.num_steps, self.network.widths[1:])
        for i in range(0, len(self.validation), EVALUATION_BATCH):
            part = slice(i, i + EVALUATION_BATCH)
            steps = self.validation[part]
            trace = network.trace(steps)
            decision = decide(trace.potentials, layers[-1].thresholds)
            tally.add(decision, self.validation_labels[part], steps, trace.hidden)
        return tally

    def _keep_best(self, figures: dict[str, Any]) -> None:
        """Keep the latest epoch whose validation accuracy is within one standard error of the highest so far.

        The highest alone is often a lucky early epoch, the more so the smaller the validation part; epochs that it
        cannot tell apart are told apart by the schedule, whose later ones have come to rest.
        """
        accuracy = figures["accuracy"]
        risen = accuracy > self.best["highest"]
        self.stale = 0 if risen else self.stale + 1
        self.best["highest"] = highest = max(accuracy, self.best["highest"])
        if accuracy >= highest - standard_error(highest, figures["samples"]):
            self.best |= {"epoch": self.epoch, "figures": figures}
            self.best_tensors = {k: t.detach().cpu().clone() for k, t in self._judged.state_dict().items()}

    def _names(self) -> dict[Tensor, str]:
        named = [*self.network.named_parameters(prefix="network"), *self.loss.named_parameters(prefix="loss")]
        if self.average is not None:
            named += self.average.network.named_parameters(prefix="average")
        return {parameter: name for name, parameter in named}

    def checkpoint(self) -> checkpoint.Checkpoint:
        """Everything needed to go on from the end of this epoch."""
        tensors = {name: parameter for parameter, name in self._names().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_tensors.items()}
        tensors |= checkpoint.pack_optimizer(self.optimizer, self._names())
        tensors["generator"] = self.generator.get_state()
        state = {
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "best": self.best,
            "stale": self.stale,
            "averaged": 0 if self.average is None else self.average.steps,
        }
        return checkpoint.Checkpoint(tensors, state)

    @torch.no_grad()
    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Become the run that `saved` was taken from.

        Raises:
            InputError: it was taken from another recipe or seed.
        """
        tensors, state = saved
        wanted = {"recipe": self.recipe.to_dict(), "seed": self.seed}
        known = from_dict(Recipe, state["recipe"]).to_dict()  # with the defaults of fields that came later
        other = _differences({"recipe": known, "seed": state["seed"]}, wanted)
        if other:
            raise InputError(
                f"the checkpoint is of another run ({'; '.join(other)}); give it the same recipe and seed, or "
                "choose another --out"
            )
        for parameter, name in self._names().items():
            parameter.copy_(tensors[name])
        checkpoint.unpack_optimizer(self.optimizer, self._names(), tensors)
        self.generator.set_state(tensors["generator"])
        self.best_tensors = {k.removeprefix("best."): t for k, t in tensors.items() if k.startswith("best.")}
        self.epoch, self.seconds = state["epoch"], state["seconds"]
        self.best, self.stale = state["best"], state["stale"]
        if self.average is not None:
            self.average.steps = state["averaged"]

    def best_model(self) -> packed.PackedModel:
        """The deployed network of the best validation epoch."""
        self.network.load_state_dict(self.best_tensors)
        return self.deployed(self.network)

    def deployed(self, network: Network | None = None) -> packed.PackedModel:
        """A network of this run as it is deployed, by default that of now."""
        config = self.recipe.network
        return packed.PackedModel(
            tuple((network or self._judged).deployed()),
            config.num_steps,
            self.image_shape,
            self.white,
            config.silent_below,
            self.classes,
            {"data": self.recipe.data.name, "recipe": self.recipe.to_dict(), "seed": self.seed},
            self.input,
            self.scaling,
            self.edges,
        )


def _check_folder(out: Path, resume: bool, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out names a folder")
    held = [name for name in RUN_FILES if (out / name).exists()]
    if held and not resume and not overwrite:
        raise InputError(f"{out} holds a run ({held[0]}): add --resume to go on, --overwrite to start anew")


def _prepare_folder(out: Path, overwrite: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in RUN_FILES if overwrite else ():
        (out / name).unlink(missing_ok=True)
    for name in (checkpoint.STAGED, *(f".{kept}.*.tmp" for kept in (*RUN_FILES, checkpoint.STAGED))):
        for leftover in out.glob(name):  # half-written when an earlier run was killed
            leftover.unlink(missing_ok=True)


def standard_error(share: float, samples: int) -> float:
    """How far a share counted over `samples` is likely off, with two hits and two misses added (Agresti and Coull).

    Without those a perfect score of a few samples would count as certain.

    >>> round(standard_error(0.99, 144), 4), round(standard_error(1.0, 144), 4)
    (0.0124, 0.0095)
    """
    likely = (share * samples + 2) / (samples + 4)
    return math.sqrt(likely * (1.0 - likely) / (samples + 4))


def find_device(name: str) -> torch.device:
    """The device called `name`; "auto" is CUDA where there is one. Raises `InputError` if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts where it was built without CUDA
        raise InputError(f"device {name!r} is not there: {str(error).splitlines()[0]}") from None
    return device


def _split(dataset: Dataset | EventDataset | StepDataset, recipe: Recipe, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and validation parts, with the classes in equal shares where they are large enough."""
    from sklearn.model_selection import train_test_split

    if recipe.data.validation_speakers:
        if not isinstance(dataset, EventDataset):
            raise InputError(f"data.validation_speakers: {dataset.name} are images, which nobody speaks")
        return feed.split_by_speaker(dataset, recipe.data, seed)
    labels = dataset.labels
    generator = np.random.default_rng(seed)
    every = generator.permutation(len(labels))
    if recipe.data.limit:
        every = every[: recipe.data.limit]
    held_out = round(recipe.data.validation * len(every))
    if held_out < 1 or held_out >= len(every):
        raise InputError(
            f"{len(every)} training samples cannot be split with data.validation = {recipe.data.validation}: "
            "at least one sample is needed on each side"
        )
    counts = np.unique(labels[every], return_counts=True)[1]
    can_stratify = counts.min() >= 2 and min(held_out, len(every) - held_out) >= len(counts)
    training, validation = train_test_split(
        every, test_size=held_out, stratify=labels[every] if can_stratify else None, random_state=seed % 2**32
    )
    return np.asarray(training), np.asarray(validation)


def _optimizer(network: Network, loss: Loss, config: TrainConfig) -> torch.optim.Adam:
    groups = [
        ([layer.weight for layer in network.layers], config.weight_rate),
        ([layer.threshold for layer in network.layers], config.threshold_rate),
        ([loss.log_scale], config.scale_rate),
    ]
    trained = [([p for p in group if p.requires_grad], rate) for group, rate in groups]
    # fused: one pass over memory instead of ten
    return torch.optim.Adam([{"params": p, "lr": rate, "start_rate": rate} for p, rate in trained if p], fused=True)


def _differences(found: Any, wanted: Any, where: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        parts = [_differences(found.get(k), wanted.get(k), f"{where}.{k}" if where else k) for k in keys]
        return [line for part in parts for line in part]
    return [] if found == wanted else [f"{where} was {found!r}, now {wanted!r}"]


def _cut_log(path: Path, epochs: int) -> None:
    """Drop lines of epochs that a killed run logged but did not bring into a checkpoint."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()[:epochs]
        files.write_atomic(path, "".join(f"{line}\n" for line in lines).encode())


def _conclude(run: TrainingRun, out: Path, loader: Loader) -> dict[str, Any]:
    """Deploy the best network, judge it once on the test set, and write the report."""
    model = run.best_model()
    test = loader(run.recipe.data.name, "test")
    binary = run.engine != real.NAME
    judge = runtime.Model(model, None if binary else real.NAME)
    extra = {}
    if isinstance(test, EventDataset):
        figures = judge.evaluate_events(test)
        extra = {"extra": feed.figures_by_speaker(judge, test, run.speakers)} if run.speakers else {}
    else:
        figures = judge.evaluate(test.images, test.labels)
    model = packed.with_figures(model, validation=run.best["figures"], test=figures)
    size = packed.save(model, out / MODEL) if binary else 0  # a file holds one bit a weight
    report = {
        "recipe": run.recipe.to_dict(),
        "seed": run.seed,
        "widths": list(model.widths),
        "training_samples": len(run.training),
        "validation_samples": len(run.validation),
        "epochs": run.epoch,
        "best_epoch": run.best["epoch"],
        "validation": run.best["figures"],
        "test": figures,
        "model_bytes": size,
        "seconds": run.seconds,
        "training_engine": run.engine,
        "machine": about_machine(run.device),
        **extra,
    }
    files.write_atomic(out / REPORT, (json.dumps(report, indent=2) + "\n").encode())
    return report
