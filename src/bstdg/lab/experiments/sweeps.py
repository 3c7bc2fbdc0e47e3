"""Ablations and trade-offs: one setting, changed in one respect after another."""

from __future__ import annotations

from bstdg.lab.experiments.variants import Variant

WIDTHS = {"mnist": (5, 10, 40), "digits": (2, 4, 16)}  # below, below and above the recipe's own


def base(data: str) -> Variant:
    """The setting that every ablation and every point of a trade-off changes in one respect."""
    return Variant(f"ablations/{data}/base", f"short-{data}", (), "base", "as it is", exits=True)


def ablations(data: str) -> tuple[Variant, ...]:
    """The base, and each respect in which it is changed."""
    changes = [
        ("thresholds", "shared by a layer", "thresholds-layer", ("network.threshold_mode=layer",)),
        ("thresholds", "fixed after calibration", "thresholds-fixed", ("network.threshold_mode=fixed",)),
        ("timing kernel", "exponential, tau 4", "kernel-exponential", ("rule.kernel=exponential",)),
        ("timing kernel", "none: blind to timing", "kernel-none", ("rule.kernel=none",)),
        *(("steps", f"T = {steps}", f"steps-{steps}", (f"network.num_steps={steps}",)) for steps in (4, 16, 32)),
        (
            "loss",
            "relative target, gamma 2",
            "loss-relative-target",
            ("loss.name=relative_target", "loss.gamma=2", "loss.label_smoothing=0.0"),
        ),
        ("loss", "first to fire, no smoothing", "loss-unsmoothed", ("loss.label_smoothing=0.0",)),
        *(("sensitivity", f"width {w}", f"width-{w}", (f"rule.width={w}",)) for w in WIDTHS[data]),
        ("weights", "real in the forward pass", "weights-real", ("network.weights=real",)),
        (
            "weights",
            "real, half the width, loss scale 0.5: their sums are smaller",
            "weights-real-narrow",
            ("network.weights=real", f"rule.width={WIDTHS[data][1]}", "loss.scale=0.5"),
        ),
    ]
    start = base(data)
    return (
        start,
        *(
            Variant(f"ablations/{data}/{name}", start.recipe, set_, group, label)
            for group, label, name, set_ in changes
        ),
    )


LATENCY_WEIGHTS = (0.01, 0.03, 0.1, 0.3)
SPIKE_WEIGHTS = (0.0003, 0.001, 0.003, 0.01)


def tradeoff(data: str) -> tuple[Variant, ...]:
    """The base, then a sweep of the weight on latency, one of the weight on spikes, and of both."""
    start = base(data)

    def point(group: str, latency: float, spikes: float) -> Variant:
        set_ = (f"loss.latency_weight={latency}", f"loss.spike_weight={spikes}")
        label = ", ".join(f"{what} {w:g}" for what, w in (("latency", latency), ("spikes", spikes)) if w)
        name = f"tradeoff/{data}/latency-{latency:g}-spikes-{spikes:g}"
        return Variant(name, start.recipe, set_, group, label)

    return (
        start,
        *(point("latency weight", weight, 0.0) for weight in LATENCY_WEIGHTS),
        *(point("spike weight", 0.0, weight) for weight in SPIKE_WEIGHTS),
        *(point("both weights", a, b) for a, b in zip(LATENCY_WEIGHTS[1:], SPIKE_WEIGHTS[:-1], strict=True)),
    )
