"""The state of one training: everything that changes from epoch to epoch, and that a checkpoint holds."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bstdg.datasets import Dataset, EventDataset, StepDataset, StoredDataset
from bstdg.distributed.ranks import ALONE, Ranks
from bstdg.engine import choose, native_training
from bstdg.errors import FileFormatError, TrainingError
from bstdg.layers import size
from bstdg.learning import weights as sample_weights
from bstdg.learning.loss import Loss
from bstdg.learning.modules import SpikeDropout
from bstdg.learning.network import Average, Network, flip_ratio
from bstdg.learning.recipe import Recipe
from bstdg.learning.surroundings import between_batches
from bstdg.learning.tracking import measure_with
from bstdg.model.metrics import Tally
from bstdg.model.packed import PackedModel
from bstdg.progress import Progress
from bstdg.spikes.events import Events
from bstdg.training import checkpoint, loader, schedule
from bstdg.training.best_epoch import BestEpoch
from bstdg.training.evaluation import evaluate
from bstdg.training.health import HealthWatch
from bstdg.training.loader import Loader, RecordingLoader, StepLoader, input_code, learnt_code
from bstdg.training.pieces import loader as pieces
from bstdg.training.split import Parts, split
from bstdg.whole import seed_of

ENDLESS = 10**9  # epochs of a schedule whose rates do not fall


class TrainingRun:
    """One training.

    Args:
        recipe: what to train and how.
        dataset: the training split; a validation part is taken from it.
        seed: see `bstdg.training.train.train`.
        device: where the network lives.
        engine: see `bstdg.training.train.train`.
        parts: positions of the training and the validation part, where they are not to be drawn from the seed.
        health: what looks at every epoch's tally; by default it warns of layers that die.
        weights: float64 `[N]`, how much each sample of the data set counts, above 0; only their ratios matter.
        ranks: the processes that train the network together, each with a run of its own.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset | StoredDataset | EventDataset | StepDataset,
        seed: int,
        device: torch.device,
        engine: str | None = None,
        parts: Parts | None = None,
        health: HealthWatch | None = None,
        weights: sample_weights.Weights | None = None,
        ranks: Ranks = ALONE,
    ):
        self.recipe, self.seed, self.device, self.ranks = recipe, seed_of(seed), device, ranks
        self.classes, self.input = dataset.classes, input_code(dataset, recipe.input)
        seeds = np.random.SeedSequence(self.seed).generate_state(3)
        starting, self.generator = (torch.Generator("cpu").manual_seed(int(s)) for s in seeds[:2])
        self.speakers: frozenset[int] = frozenset()  # whose recordings are trained on, where the data say so
        self._read(dataset, parts := parts or split(dataset, recipe.data, int(seeds[2])))
        table = sample_weights.by_class(recipe.train.class_weight, self.labels.numpy(), self.classes)
        each = sample_weights.of_samples(dataset.labels, table, weights)
        self._unit = 1.0 if each is None else float(each[parts[0]].mean())  # of weights, here and in all that follow
        self._weigh(each, parts)
        given = self.input.gives, len(self.classes), recipe.network, recipe.rule, starting, engine
        self.network = Network(*given, tied_inputs=self.input.tied).to(device)
        first = self.training.first(recipe.train.calibration)
        self.network.calibrate(first if isinstance(first, Events) else first.to(device))
        self.start = {"thresholds": [layer.thresholds.tolist() for layer in self.network.deployed()]}
        self.engine = choose.training(self.network.engine, next(self.network.parameters())).NAME
        self.average = Average(self.network, recipe.train.average) if recipe.train.average else None
        measure_with(ranks, self.network)
        self.loss = Loss(recipe.loss).to(device)
        self.optimizer = schedule.optimizer(self.network, self.loss, recipe.train)
        self.drop_input = SpikeDropout(recipe.train.input_dropout, self.generator)
        self.drop_hidden = SpikeDropout(recipe.train.spike_dropout, self.generator)
        self.health = health or HealthWatch(silent_output=recipe.network.initial_output_margin > 0)
        self.epoch, self.seconds, self.best = 0, 0.0, BestEpoch(by=recipe.train.choose)
        self.best_tensors: dict[str, Tensor] = {}

    def _read(self, dataset: Dataset | StoredDataset | EventDataset | StepDataset, parts: Parts) -> None:
        """Make both parts of a data set ready to be learnt from and judged on."""
        training, validation = parts
        chosen = dataset, training, self.recipe.network.num_steps, self.ranks
        self.input = learnt_code(self.input, self.recipe.input, *chosen)
        self.labels, self.validation_labels = torch.from_numpy(dataset.labels[training]), dataset.labels[validation]
        self.training: Loader
        self.validation: Any  # steps uint8 [N, channels], or StoredSteps, or Events
        if isinstance(dataset, EventDataset):
            if dataset.speakers is not None:
                self.speakers = frozenset(dataset.speakers[training].tolist())
            self.training = RecordingLoader(dataset, training, self.input, self.recipe)
            self.validation = self.input.encode(dataset.rows(validation), self.recipe.network.num_steps)
            return
        read: Any = pieces.both_parts if isinstance(dataset, StoredDataset) else loader.both_parts
        self.training, self.validation = read(dataset, parts, self.input, self.recipe, self.seed)

    def _weigh(self, each: sample_weights.Weights | None, parts: Parts) -> None:
        """Take how much each sample of a data set counts, in the loss and where its validation part is judged."""
        relative = (None if each is None else each[part] / self._unit for part in parts)
        self.weights, held_out = map(sample_weights.unless_one, relative)
        self.validation_weights = None if held_out is None else held_out.double().numpy()

    def release(self) -> None:
        """Forget the data, and keep what more training goes on from."""
        none = np.empty((0, size(self.input.gives)), np.uint8)
        self.training = StepLoader(none, self.input.gives, self.recipe)
        self.labels = torch.empty(0, dtype=torch.int64, device="cpu")
        self.validation, self.validation_labels = none, np.empty(0, np.int64)
        self.weights = self.validation_weights = None

    @property
    def finished(self) -> bool:
        """All epochs are done, or the recipe's patience is at its end."""
        patience = self.recipe.train.patience
        return self.epoch >= self.recipe.train.epochs or (patience > 0 and self.best.stale >= patience)

    def own_threads(self) -> AbstractContextManager[None]:
        """All threads for the engine that trains, where it is one that shares none with torch."""
        return native_training.own_threads() if self.engine == native_training.NAME else nullcontext()

    def prepare(self, keep: Path | None = None, *, show: bool = False) -> None:
        """Make the copies and train the teacher that the recipe asks for; a teacher is kept in the folder `keep`."""
        self.training.prepare(keep, self.ranks, show=show)

    def run_epoch(self, progress: Progress) -> dict[str, Any]:
        """One pass over the training part, then the validation figures; returns the log's row."""
        before, start = self.network.latent_signs(), time.monotonic()
        loss = self.learn(progress)
        spent = time.monotonic() - start
        tally = self.validate()
        self.health.look(tally)
        figures, weighted = tally.figures(), tally.weighted_accuracy()
        if self.best.look(self.epoch, figures, weighted):
            self.best_tensors = {k: t.detach().cpu().clone() for k, t in self._judged.state_dict().items()}
        self.seconds += time.monotonic() - start
        return {
            "epoch": self.epoch,
            "loss": loss,
            **figures,
            **({"weighted_accuracy": weighted[0]} if weighted else {}),
            "flip_ratio": flip_ratio(before, self.network.latent_signs()),
            "silent_share": tally.silent_share(),
            "firing_share": tally.firing_share(),
            "step_0_share": tally.start_share(),
            "samples_per_second": len(self.training) / spent,
            "seconds": self.seconds,
        }

    def learn_more(
        self, dataset: StepDataset, progress: Progress, weights: sample_weights.Weights | None = None
    ) -> tuple[float, Tally]:
        """One pass over other samples of the same kind, at rates that do not fall; its mean loss, and figures.

        Their weights, as for the class, are held against those of the first samples; without any, each is 1.
        """
        every = np.arange(len(dataset))
        self._read(dataset, (every, every))
        self._weigh(np.ones(len(dataset)) if weights is None else weights, (every, every))
        return self.learn(progress, epochs=ENDLESS), self.validate()

    def learn(self, progress: Progress, epochs: int | None = None) -> float:
        """One pass over the training part alone; returns the mean loss. `epochs` is over how many the rates fall."""
        self.epoch += 1
        self.ranks.follow_first_(list(self._names()))
        epochs = epochs or self.recipe.train.epochs
        order = torch.randperm(len(self.training), generator=self.generator, device="cpu")
        batches = order.split(self.recipe.train.batch)
        self.training.expect([index[self.ranks.share(len(index)).rows] for index in batches])
        total = 0.0
        for i, index in enumerate(batches):
            done = ((self.epoch - 1) + i / len(batches)) / epochs
            schedule.set_rates(self.optimizer, done)
            if self.recipe.rule.final_width:
                self.network.set_rule(schedule.rule_at(self.recipe.rule, done))
            loss = self._step(index)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss became {loss} in epoch {self.epoch}; lower train.weight_rate, train.threshold_rate or "
                    "train.scale_rate"
                )
            total += loss * len(index)
            progress.batch(self.epoch, len(index))
        return total / len(self.training)

    def _step(self, index: Tensor) -> float:
        between_batches()
        share = self.ranks.share(len(index))
        spikes, taught = self.training.batch(index, self.generator, share)
        read = self.network.read(spikes if isinstance(spikes, Events) else spikes.to(self.device))
        output = self.network(self.drop_input(read, share), partial(self.drop_hidden, share=share))
        lesson = None if taught is None else (taught.to(self.device), self.recipe.teacher.weight)
        index = index[share.rows]
        labels = self.labels[index].to(self.device)
        weights = None if self.weights is None else self.weights[index].to(self.device)
        loss = self.loss(output.potentials, output.threshold, labels, output.fired, lesson, weights) * share.part
        self.optimizer.zero_grad()
        loss.backward()
        self.ranks.sum_([loss.detach(), *(p.grad for p in self._moved() if p.grad is not None)])
        self.optimizer.step(average=self.average)
        return float(loss.detach())

    @property
    def _judged(self) -> Network:
        """The network that would be deployed now."""
        return self.network if self.average is None else self.average.network

    def validate(self) -> Tally:
        """Figures of the network as it would be deployed now, on the validation part."""
        real = choose.REAL if self.engine == choose.REAL else None
        layers, num_steps = self._judged.deployed(), self.network.num_steps
        on, more = (self.validation, self.validation_labels), {"weights": self.validation_weights, "ranks": self.ranks}
        return evaluate(layers, num_steps, *on, engine=real, device=self.device, **more)

    def _moved(self) -> list[Tensor]:
        """The parameters that the optimiser moves."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _names(self) -> dict[Tensor, str]:
        """Everything that training moves, parameters and what layers measure, by the name a checkpoint gives it."""
        parts = {"network": self.network, "loss": self.loss, "average": self.average and self.average.network}
        every = ((prefix, part) for prefix, part in parts.items() if part is not None)
        return {t: f"{prefix}.{name}" for prefix, part in every for name, t in part.state_dict(keep_vars=True).items()}

    def _own_tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds at every time."""
        named = {name: parameter for parameter, name in self._names().items()}
        return {**named, "generator": self.generator.get_state()}

    def checkpoint(self) -> checkpoint.Checkpoint:
        """Everything needed to go on from the end of this epoch."""
        tensors = self._own_tensors()
        tensors |= {f"best.{name}": tensor for name, tensor in self.best_tensors.items()}
        tensors |= checkpoint.pack_optimizer(self.optimizer, self._names())
        state = {
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "best": self.best.state(),
            "stale": self.best.stale,
            "averaged": 0 if self.average is None else self.average.steps,
        }
        return checkpoint.Checkpoint(tensors, state)

    @torch.no_grad()
    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Become the run that `saved` was taken from.

        Raises:
            InputError: it was taken from another recipe or seed.
            FileFormatError: it holds something else than such a run.
        """
        tensors, state, _ = saved
        checkpoint.refuse_other(state, self.recipe, self.seed)
        names = self._names()
        optimized = [names[parameter] for parameter in self._moved()]
        checkpoint.check(saved, self._own_tensors(), self._judged.state_dict(), optimized)
        for parameter, name in names.items():
            parameter.copy_(tensors[name])
        checkpoint.unpack_optimizer(self.optimizer, names, tensors)
        try:
            self.generator.set_state(tensors["generator"])
        except RuntimeError as error:
            raise FileFormatError(f"{saved.name} is damaged: {error}") from None
        self.best_tensors = {k.removeprefix("best."): t for k, t in tensors.items() if k.startswith("best.")}
        self.epoch, self.seconds = state["epoch"], state["seconds"]
        self.best = BestEpoch.of(state["best"], state["stale"], self.recipe.train.choose)
        if self.average is not None:
            self.average.steps = state["averaged"]

    def best_model(self) -> PackedModel:
        """The deployed network of the best validation epoch."""
        self.network.load_state_dict(self.best_tensors)
        return self.deployed(self.network)

    def deployed(self, network: Network | None = None) -> PackedModel:
        """A network of this run as it is deployed, by default that of now."""
        layers = tuple((network or self._judged).deployed())
        origin = {"data": self.recipe.data.name, "recipe": self.recipe.to_dict(), "seed": self.seed}
        return PackedModel(self.input, layers, self.recipe.network.num_steps, self.classes, origin)
