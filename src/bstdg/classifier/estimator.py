"""A scikit-learn classifier: arrays in, classes out, with this package's training and deployed models in between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from bstdg.classifier import saving as estimator_file
from bstdg.classifier.arrays import AUTO, clipped, code_for, encode, flattened, labelled, one_line, several
from bstdg.classifier.training import Learner, Settings
from bstdg.engine.decide import Decision
from bstdg.errors import InputError
from bstdg.learning.surroundings import undisturbed
from bstdg.model import packed
from bstdg.model.probability import lead_at_decision, log_probabilities, probabilities
from bstdg.model.runtime import BATCH, Model


class BSTDGClassifier(ClassifierMixin, BaseEstimator):
    """A binarized spiking network in which every neuron fires at most once, as a scikit-learn classifier.

    It reads tables of features of any range, which it scales itself, and images `[samples, rows, columns]` (integers,
    or floats 0 … 1). Trained weights are one bit each; the first output neuron to fire decides.

    Args:
        hidden: neurons of each hidden layer.
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
        scale_: what probabilities are calibrated by (see `predict_proba`).
        n_features_in_, feature_names_in_: as everywhere in scikit-learn; the features of images are their pixels.

    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> model = BSTDGClassifier(hidden=(100,), random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.95)
    True
    """

    n_features_in_: int
    feature_names_in_: NDArray

    def __init__(
        self,
        hidden: Sequence[int] | int = (600,),
        *,
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
        engine: str | None = None,
        device: str = "cpu",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.hidden = hidden
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

    def fit(self, X: ArrayLike, y: ArrayLike) -> BSTDGClassifier:
        """Learn from samples `[samples, features]` or images `[samples, rows, columns]` and their labels.

        Raises:
            InputError: a parameter, a value or the labels will not do; it is a `ValueError`.
        """
        rows, shape, y = self._checked(X, y, reset=True)
        self.classes_, labels = labelled(y)
        learner = self._learner(rows, shape)
        with undisturbed():
            learner.fit(rows, labels, self.validation_fraction, self.verbose)
        self._take(learner)
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> BSTDGClassifier:
        """Learn from one more batch: one pass over it, at the full rates.

        The first batch also sets the scaling of features and the starting thresholds, so it should be typical. After
        `fit` it goes on from there; nothing is held out, and probabilities keep the scale that training found.

        Args:
            X, y: as for `fit`.
            classes: all labels that will ever come; needed at the first call.

        Raises:
            InputError: as for `fit`; or a label is not among the classes, or the model came from a file.
        """
        first = not hasattr(self, "classes_")
        rows, shape, y = self._checked(X, y, reset=first)
        if first:
            if classes is None:
                raise InputError("classes must be passed on the first call to partial_fit: all labels that will come")
            self.classes_ = several(np.unique(np.asarray(classes)))
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise InputError(f"classes={classes!r} is not the same as on the last call to partial_fit or fit")
        labels = self._positions(y)
        if not first and self._learner_ is None:
            raise InputError("this model was loaded from a file, which holds bits and no latent weights: use fit")
        learner = self._learner(rows, shape) if first else self._learner_
        assert learner is not None  # noqa: S101  (said above)
        with undisturbed():
            learner.learn(rows, labels)
        self._take(learner)
        return self

    def predict(self, X: ArrayLike) -> NDArray:
        """The class decided for each sample, computed no further than to its decision."""
        rows = self._in_range(X)
        return self.classes_[self.model_.predict(rows)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class, `[samples, classes]`, in the order of `classes_`.

        Given the step of the decision, the share of each output in the hazard of the loss (`bstdg.model.probability`),
        with the scale that was calibrated on the validation part. The greatest is that of the class `predict` gives.
        """
        lead, decision = self._leads(X)
        return probabilities(lead, decision.silent, self.scale_)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of `predict_proba`."""
        lead, decision = self._leads(X)
        return log_probabilities(lead, decision.silent, self.scale_)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Log odds of the second of two classes, `[samples]`; for more, log probabilities, `[samples, classes]`.

        They rank samples as `predict_proba` does, and where that is 0 or 1 to the last digit, still tell them apart.
        """
        logs = self.predict_log_proba(X)
        return logs[:, 1] - logs[:, 0] if logs.shape[1] == 2 else logs

    def decision_steps(self, X: ArrayLike) -> NDArray[np.int64]:
        """The step at which each sample is decided, 0 … T-1; a silent decision falls at the last."""
        return np.concatenate([run.decision.step for run in self._runs(X)])

    def spikes(self, X: ArrayLike) -> NDArray[np.int64]:
        """Hidden spikes of each sample up to its decision."""
        runs = self._runs(X)
        counts = [sum((h <= r.decision.step[:, None]).sum(axis=1) for h in r.trace.hidden) for r in runs]
        return np.concatenate([np.broadcast_to(count, len(r.spikes)) for count, r in zip(counts, runs, strict=True)])

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

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray, tuple[int, ...], NDArray]:
        """Rows, the shape of one sample, and labels; scikit-learn's checks and attributes."""
        samples = len(y) if hasattr(y, "__len__") else None
        X, shape = flattened(X, samples)
        try:
            rows, y = cast(tuple[NDArray, NDArray], validate_data(self, X, y, reset=reset))
            check_classification_targets(y)
        except ValueError as error:
            raise InputError(one_line(error)) from None
        return rows, shape or (rows.shape[1],), y

    def _in_range(self, X: Any) -> NDArray:
        check_is_fitted(self)
        X, _ = flattened(X)
        try:
            rows = cast(NDArray, validate_data(self, X, reset=False))
        except ValueError as error:
            raise InputError(one_line(error)) from None
        return clipped(self._code, rows)

    def _runs(self, X: Any) -> list[Any]:
        rows = self._in_range(X)
        parts = (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))
        num_steps = self.model_.packed.num_steps
        return [self.model_.run(encode(self._code, part, num_steps)) for part in parts]

    def _leads(self, X: Any) -> tuple[NDArray[np.float64], Decision]:
        runs = self._runs(X)
        thresholds = self.model_.packed.layers[-1].thresholds
        leads = [lead_at_decision(run.trace.potentials, thresholds, run.decision) for run in runs]
        decision = Decision(*map(np.concatenate, zip(*(run.decision for run in runs), strict=True)))
        return np.concatenate(leads), decision

    def _positions(self, y: NDArray) -> NDArray[np.int64]:
        """Where each label stands in `classes_`."""
        unseen = np.setdiff1d(y, self.classes_)
        if len(unseen):
            raise InputError(f"y has labels that are not among the classes: {unseen[:5].tolist()}")
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _learner(self, rows: NDArray, shape: tuple[int, ...]) -> Learner:
        settings = Settings.of(self.get_params(deep=False), len(rows))
        code = code_for(rows, shape, settings.recipe.network.num_steps, self.scaling, self.codes)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Learner(settings, code, [str(c) for c in self.classes_.tolist()], seed)

    def _take(self, learner: Learner) -> None:
        """What was learnt becomes this estimator's fitted attributes."""
        self._learner_: Learner | None = learner
        self._code = learner.code
        self.model_ = Model(learner.model)
        self.figures_, self.history_ = learner.figures, learner.history
        self.scale_, self.n_iter_, self.best_iter_ = learner.scale, learner.epochs, learner.best_epoch
        self._describe()

    def _describe(self) -> None:
        self.loss_curve_ = [row["loss"] for row in self.history_]
        self.decision_step_ = self.figures_["decision_step_mean"]
        self.spikes_ = self.figures_["hidden_spikes_to_decision"]
