"""What a fitted classifier says of samples: their classes, how sure it is, when it decides, with how many spikes."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from bstdg.classifier.arrays import encode
from bstdg.classifier.reading import Reading, samples_of
from bstdg.engine.decide import Decision
from bstdg.layers import Conv2dLayer, FullLayer
from bstdg.model.probability import lead_at_decision, log_probabilities, probabilities
from bstdg.model.runtime import BATCH, Model


class Decisions:
    """The part of `bstdg.classifier.estimator.BSTDGClassifier` that decides; its attributes are described there.

    Every method takes samples X of the kind that was learnt from, and raises `InputError`, a `ValueError`, for others.
    """

    classes_: NDArray
    model_: Model
    scale_: float
    _reading: Reading

    @property
    def coefs_(self) -> list[NDArray[np.int8]]:
        """The weights, -1 or +1, of each layer that has any, input side first.

        Of a fully connected layer `[channels, neurons]`; of a convolution, whose neurons share them, the windows of its
        maps, `[maps, channels of a group, rows, columns]`. A pooling has none, and is left out.
        """
        weighted = (layer for layer in self.model_.packed.layers if isinstance(layer, (FullLayer, Conv2dLayer)))
        return [layer.signs.T if isinstance(layer, FullLayer) else layer.signs for layer in weighted]

    @property
    def thresholds_(self) -> list[NDArray[np.int64]]:
        """The thresholds beside `coefs_`, `[neurons]` or `[maps]`."""
        return [layer.thresholds_stored for layer in self.model_.packed.layers if layer.weight_bits]

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

    def _in_range(self, X: Any) -> NDArray:
        check_is_fitted(self)
        samples = samples_of(X, lambda flat: cast(NDArray, validate_data(self, flat, reset=False)), self._reading)
        return self._reading.in_range(samples)

    def _runs(self, X: Any) -> list[Any]:
        rows = self._in_range(X)
        parts = (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))
        num_steps = self.model_.packed.num_steps
        return [self.model_.run(encode(self._reading.code, part, num_steps)) for part in parts]

    def _leads(self, X: Any) -> tuple[NDArray[np.float64], Decision]:
        runs = self._runs(X)
        thresholds = self.model_.packed.layers[-1].thresholds
        leads = [lead_at_decision(run.trace.potentials, thresholds, run.decision) for run in runs]
        decision = Decision(*map(np.concatenate, zip(*(run.decision for run in runs), strict=True)))
        return np.concatenate(leads), decision
