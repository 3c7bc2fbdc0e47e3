"""A scikit-learn classifier: arrays in, classes out, with this package's training and deployed models in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from bstdg.classifier import continuing
from bstdg.classifier import saving as estimator_file
from bstdg.classifier.arrays import AUTO, code_for, labelled, several
from bstdg.classifier.decisions import Decisions
from bstdg.classifier.pictures import check_layers, image_shape_of
from bstdg.classifier.reading import Reading, Samples, samples_of
from bstdg.classifier.training import Learner, Settings
from bstdg.classifier.weights import heard, weights_of
from bstdg.errors import InputError
from bstdg.learning.surroundings import undisturbed
from bstdg.model import packed
from bstdg.model.runtime import Model


class BSTDGClassifier(Decisions, ClassifierMixin, BaseEstimator):
    """A binarized spiking network in which every neuron fires at most once, as a scikit-learn classifier.

    It reads tables of features of any range, which it scales itself, and pictures `[samples, rows, columns]` or
    `[samples, channels, rows, columns]` (integers, or floats 0 … 1). Trained weights are one bit each; the first output
    neuron to fire decides.

    Args:
        layers: the hidden layers, as recipes write them: 600 neurons, convolutions "16c3p1", poolings "pool2".
        image_shape: (rows, columns) or (channels, rows, columns) of the pictures that rows of X are; None: rows are a
            table, and only arrays of more axes are pictures.
        num_steps: T, the steps in which a network decides.
        epochs: passes over the samples; None: 16 … 20, and more where these would make fewer than 80 batches.
        batch: samples a step of the optimiser; None: a 24th of all, but 32 … 256.
        weight_rate, threshold_rate: Adam's rates for latent weights and for thresholds, falling to 0.
        width: margin, in units of potential, at which a neuron no longer answers for its spike.
        latency_weight: cost of one step of expected decision time.
        spike_weight: cost of one hidden spike.
        label_smoothing: share of the target spread over all classes.
        spike_dropout: share of hidden spikes lost while training.
        jitter: each input spike is moved by up to so many steps while training, at random; not where T is 1.
        validation_fraction: share of the samples held out, to choose the epoch and to calibrate probabilities; below 10
            held out (or fewer than classes) all samples are learnt from, and there is nothing to calibrate with.
        patience: stop after so many epochs without a better validation accuracy; 0: never.
        scaling: where a feature's levels lie, "standard", "minmax", "rank" or "shared" (see
            `bstdg.inputs.features.FeatureScaling.fit`), or "auto" (see `docs/estimator.md`).
        codes: "on-off" gives a feature a second channel that fires the sooner the smaller the value, "on" does not, a
            number n gives it n such pairs, each for a part of its levels; or "auto".
        relative: of pictures: the brightest pixel of each fires at step 0, and others by their share of it.
        equalize: of pictures: each step has an equal share of the pixels that fire, of those that are learnt from.
        class_weight: how much samples count by their class: a table of weights by label, 1 for those it leaves out;
            "balanced" lets all classes weigh alike; None all samples.
        engine: of training, "native" or "dense"; None: native on a CPU, else dense.
        device: "cpu", "cuda", … or "auto".
        n_jobs: threads; None: one where the work is small, else as many as torch uses. Results do not depend on it.
        random_state: decides all draws; an integer gives the same model each time.
        verbose: report progress on standard error.

    Attributes:
        classes_: the labels, sorted.
        model_: the deployed network (`bstdg.model.runtime.Model`), which gives positions in `classes_`.
        figures_: all figures on the validation part (see `bstdg.model.metrics.Tally.figures`), or, where nothing was
            held out and after `partial_fit`, on what was learnt from.
        decision_step_, spikes_: of these, the mean decision step, and hidden spikes a sample up to the decision.
        history_: the figures of every epoch.
        loss_curve_: the loss of every epoch.
        n_iter_: epochs made.
        best_iter_: the epoch that validation chose.
        coefs_, thresholds_: weights and thresholds of the layers that have any (see `Decisions`).
        scale_: what probabilities are calibrated by (see `predict_proba`).
        n_features_in_, feature_names_in_: as everywhere in scikit-learn; the features of images are their pixels.

    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> model = BSTDGClassifier(layers=(100,), random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.95)
    True
    """

    n_features_in_: int
    feature_names_in_: NDArray

    def __init__(
        self,
        layers: Sequence[int | str] | int = (600,),
        *,
        image_shape: Sequence[int] | None = None,
        num_steps: int = 8,
        epochs: int | None = None,
        batch: int | None = None,
        weight_rate: float = 0.01,
        threshold_rate: float = 0.1,
        width: float = 8.0,
        latency_weight: float = 0.0,
        spike_weight: float = 0.0,
        label_smoothing: float = 0.03,
        spike_dropout: float = 0.2,
        jitter: int = 1,
        validation_fraction: float = 0.1,
        patience: int = 0,
        scaling: str = AUTO,
        codes: str | int = AUTO,
        relative: bool = False,
        equalize: bool = False,
        class_weight: Mapping[Any, float] | str | None = None,
        engine: str | None = None,
        device: str = "cpu",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.layers = layers
        self.image_shape = image_shape
        self.num_steps = num_steps
        self.epochs = epochs
        self.batch = batch
        self.weight_rate = weight_rate
        self.threshold_rate = threshold_rate
        self.width = width
        self.latency_weight = latency_weight
        self.spike_weight = spike_weight
        self.label_smoothing = label_smoothing
        self.spike_dropout = spike_dropout
        self.jitter = jitter
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.scaling = scaling
        self.codes = codes
        self.relative = relative
        self.equalize = equalize
        self.class_weight = class_weight
        self.engine = engine
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = False
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> BSTDGClassifier:
        """Learn from samples `[samples, features]`, or pictures as the class describes them, and their labels.

        Args:
            X, y: samples and labels.
            sample_weight: how much each sample counts, `[samples]`, 0 or more, besides `class_weight`. Their ratios
                matter alone, and 0 is as if it had not come.

        Raises:
            InputError: a parameter, a value, a label or a weight will not do; it is a `ValueError`. What was learnt
                before is there still.
        """
        with undisturbed(), continuing.all_or_nothing(self):
            samples, y = self._checked(X, y, first=True)
            classes, labels = labelled(y)
            weights = weights_of(labels, classes, self.class_weight, sample_weight)
            rows, labels, weights = heard(samples.rows, labels, weights)
            several(classes[np.unique(labels)], "y, of those that weigh more than 0,")
            learner, reading = self._begin(samples, rows, classes)
            share, verbose = self.validation_fraction, self.verbose
            learner.fit(rows, labels, weights, validation_fraction=share, verbose=verbose)
            self._take(learner, reading, classes)
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> BSTDGClassifier:
        """Learn from one more batch: one pass over it, at the full rates.

        The first batch also sets the scaling of features and the starting thresholds, so it should be typical. After
        `fit` it goes on from there; nothing is held out, and probabilities keep the scale that training found.
        Parameters that were changed since act from now on, or are refused.

        Args:
            X, y: as for `fit`.
            classes: all labels that will ever come; needed at the first call.
            sample_weight: as for `fit`, and held against the weights of calls before.

        Raises:
            InputError: as for `fit`; or a label is not among the classes, the model came from a file, or a parameter
                was changed that the network was made with.
        """
        first = not hasattr(self, "classes_")
        with undisturbed(), continuing.all_or_nothing(self):
            samples, y = self._checked(X, y, first=first)
            known = self._all_classes(classes)
            labels = _positions(y, known)
            if not first and self._learner_ is None:
                raise InputError("this model was loaded from a file, which holds bits and no latent weights: use fit")
            weights = weights_of(labels, known, self.class_weight, sample_weight, balance=False)
            if first:
                learner, reading = self._begin(samples, heard(samples.rows, labels, weights)[0], known)
            else:
                learner, reading = cast(Learner, self._learner_), self._reading
                continuing.check(self._asked, self.get_params(deep=False))
                learner.follow(Settings.of(self.get_params(deep=False), learner.samples))
            rows, labels, weights = heard(reading.in_range(samples), labels, weights)
            learner.learn(rows, labels, weights, verbose=self.verbose)
            self._take(learner, reading, known)
        return self

    def save(self, path: Path | str) -> int:
        """Write the fitted classifier as one model file, which `bstdg.load` reads too; returns its size in bytes.

        Raises:
            InputError: labels are neither numbers nor texts.
            OSError: the file could not be written; what was there before still is.
        """
        check_is_fitted(self)
        return packed.save(estimator_file.packed_model(self), path)

    @classmethod
    def load(cls, path: Path | str) -> BSTDGClassifier:
        """Read what `save` wrote: it predicts bit for bit the same, and can be fitted anew.

        Raises:
            InputError: the file holds a network, but no classifier.
            FileFormatError: it is truncated, altered or foreign.
            OSError: it cannot be read.
        """
        return estimator_file.restore(cls(), packed.load(path), str(path))

    def _checked(self, X: Any, y: Any, *, first: bool) -> tuple[Samples, NDArray]:
        """Samples and labels; scikit-learn's checks and attributes."""
        labels = y

        def check(flat: Any) -> NDArray:
            nonlocal labels
            rows, labels = cast(tuple[NDArray, NDArray], validate_data(self, flat, y, reset=first))
            check_classification_targets(labels)
            return rows

        given = len(y) if hasattr(y, "__len__") else None
        if first:
            return samples_of(X, check, labels=given, asked=image_shape_of(self.image_shape)), labels
        return samples_of(X, check, self._reading, given), labels

    def _all_classes(self, classes: Any) -> NDArray:
        """All labels that will ever come, as the first call to `partial_fit` says, and later ones may."""
        if not hasattr(self, "classes_"):
            if classes is None:
                raise InputError("classes must be passed on the first call to partial_fit: all labels that will come")
            return several(np.unique(np.asarray(classes)), "classes")
        if classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise InputError(f"classes={classes!r} is not the same as on the last call to partial_fit or fit")
        return self.classes_

    def _begin(self, samples: Samples, rows: NDArray, classes: NDArray) -> tuple[Learner, Reading]:
        """What learns from `rows`, those of the samples that count, and what it reads from then on."""
        settings = Settings.of(self.get_params(deep=False), len(rows))
        shape = samples.shape or (rows.shape[1],)
        check_layers(settings.recipe.network.layers, shape)
        contrast = {"relative": self.relative, "equalize": self.equalize}
        code = code_for(rows, shape, settings.recipe.network.num_steps, self.scaling, self.codes, **contrast)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        names = [str(c) for c in classes.tolist()]
        return Learner(settings, code, names, seed, equalize=self.equalize), Reading(code, samples.values)

    def _take(self, learner: Learner, reading: Reading, classes: NDArray) -> None:
        """What was learnt becomes this estimator's fitted attributes."""
        self._learner_: Learner | None = learner
        self._reading = replace(reading, code=learner.code)  # with the levels that were chosen
        self._asked = continuing.remembered(self.get_params(deep=False))
        self.classes_, self.model_ = classes, Model(learner.model)
        self.figures_, self.history_ = learner.figures, learner.history
        self.scale_, self.n_iter_, self.best_iter_ = learner.scale, learner.epochs, learner.best_epoch
        self._describe()

    def _describe(self) -> None:
        self.loss_curve_ = [row["loss"] for row in self.history_]
        self.decision_step_ = self.figures_["decision_step_mean"]
        self.spikes_ = self.figures_["hidden_spikes_to_decision"]


def _positions(y: NDArray, classes: NDArray) -> NDArray[np.int64]:
    """Where each label stands among the classes."""
    unseen = np.setdiff1d(y, classes)
    if len(unseen):
        raise InputError(f"y has labels that are not among the classes: {unseen[:5].tolist()}")
    return np.searchsorted(classes, y).astype(np.int64)
