"""S4NN and BS4NN as their equations read, step by step and neuron by neuron: what the sorted sums are held to."""

from __future__ import annotations

import math

T = 256


def layer(steps, weights, threshold):
    """Stamps of a layer and its potentials at every step, `weights[j][i]`."""
    stamps, potentials = [], []
    for row in weights:
        path = [sum(w for s, w in zip(steps, row, strict=True) if s <= t) for t in range(T)]
        crossed = [t for t in range(T) if path[t] > threshold]
        stamps.append(min(crossed[0] + 1, T) if crossed else T)
        potentials.append(path)
    return stamps, potentials


def sign(weight):
    return int(weight > 0) - int(weight < 0)


def signs(weights):
    return [[sign(w) for w in row] for row in weights]


def decide(stamps, potentials):
    """(label, step, silent, candidates, lowest index) by the published conventions and this project's rule."""
    first = min(stamps)
    if first == T:
        at = [path[253] for path in potentials]
        label = at.index(max(at))
        return label, T - 1, True, [k == label for k in range(len(stamps))], label
    at = [path[first - 1] for path in potentials]
    return at.index(max(at)), first, False, [s == first for s in stamps], stamps.index(first)


def unit(error):
    length = math.sqrt(sum(e * e for e in error))
    return [e / length for e in error] if length else error


def output_error(stamps, label, gamma, silent_lead):
    first = min(stamps)
    targets = []
    for k, stamp in enumerate(stamps):
        if first == T:
            targets.append(T - silent_lead if k == label else T)
        elif k == label:
            targets.append(first)
        else:
            targets.append(min(first + gamma, T) if stamp - first < gamma else stamp)
    return unit([(target - stamp) / T for target, stamp in zip(targets, stamps, strict=True)])


def learn(steps, below, above, label, *, gamma, silent_lead, rates, thresholds, keeps=(1.0, 1.0), binary=False):
    """One image: weights `below[j][i]` and `above[k][j]` after it, and the slopes of the scales."""
    (rate_below, rate_above), (keep_below, keep_above) = rates, keeps
    seen = (signs(below), signs(above)) if binary else (below, above)
    hidden, _ = layer(steps, seen[0], thresholds[0])
    output, _ = layer(hidden, seen[1], thresholds[1])
    error = output_error(output, label, gamma, silent_lead)
    above = [
        [w - rate_above * error[k] * (hidden[j] < output[k]) for j, w in enumerate(row)] for k, row in enumerate(above)
    ]
    count = len(above) * len(hidden)
    slopes = [sum(error[k] * sign(w) * (hidden[j] < output[k]) for k, r in enumerate(above) for j, w in enumerate(r))]
    above = [[w * keep_above for w in row] for row in above]
    told = unit(
        [sum(error[k] * above[k][j] * (hidden[j] < output[k]) for k in range(len(above))) for j in range(len(hidden))]
    )
    below = [
        [w - rate_below * told[j] * (steps[i] < hidden[j]) for i, w in enumerate(row)] for j, row in enumerate(below)
    ]
    slopes.append(sum(told[j] * sign(w) * (steps[i] < hidden[j]) for j, r in enumerate(below) for i, w in enumerate(r)))
    below = [[w * keep_below for w in row] for row in below]
    return below, above, (slopes[1] / (len(below) * len(steps)), slopes[0] / count)
