"""Write what the benchmarks measured, docs/benchmarks/*.json, into the tables of docs/performance.md and estimator.md.

    python benchmarks/report.py

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; the words around it are written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"

Report = dict[str, Any]


def machine(inference: Report) -> str:
    about = inference["about"]
    versions = ", ".join(f"{name} {about[name]}" for name in ("numpy", "torch", "scikit-learn"))
    peers = ", ".join(f"{name} {about[name]}" for name in ("snntorch", "spikingjelly", "norse"))
    where = f"{about['cpu']}, {about['cpus']} cores, {about['instruction_set']}, {about['system']}"
    return f"{where}; Python {about['python']}, {versions}, {peers}."


def images(inference: Report) -> str:
    lines = ["| what | T | threads | batch | images a second | µs an image | least to greatest |", "|---" * 7 + "|"]
    for r in inference["rows"]:
        place = f"{r['name']} | {r.get('T') or ''} | {r.get('threads') or 1} | {r['batch']:,}"
        lines.append(f"| {place} | {_times(r)} |")
    return "\n".join(lines)


def one_image(inference: Report) -> str:
    single = inference["one_image"]
    return f"{single['median_us']:.1f} µs at the median, {single['p99_us']:.1f} µs at the 99th percentile."


def counted_minimum(inference: Report) -> str:
    least = inference["counted_minimum"]
    if "clock_mhz" not in least:
        return "This system does not state its clock."
    return (
        f"An image of {least['events']:.0f} input events needs {least['operations']:.0f} operations on 512 bits and"
        f" {least['bytes'] / 1000:.1f} kB of bits read. At {least['clock_mhz']:,.0f} MHz and two a cycle"
        f" that is {least['least_us']:.2f} µs; the kernel takes {least['times_the_least']:.0f} times that."
    )


def samples(training: Report) -> str:
    lines = ["| what | T | batch | samples a second | µs a sample | least to greatest | memory, MB |", "|---" * 7 + "|"]
    for r in training["rows"]:
        lines.append(f"| {r['name']} | {r['T'] or ''} | {r['batch']} | {_times(r)} | {r['growth MB']:.1f} |")
    return "\n".join(lines)


def conv_inference(measured: Report) -> str:
    lines = ["| what | T | batch | images a second | µs an image | least to greatest |", "|---" * 6 + "|"]
    lines += [f"| {r['name']} | {r.get('T') or ''} | {r['batch']} | {_times(r)} |" for r in measured["inference"]]
    return "\n".join(lines)


def conv_growth(measured: Report) -> str:
    names = {"T": "T", "maps": "maps", "side": "side of the image", "spikes": "share of the pixels that spike"}
    lines = ["| varied | is | inference, µs an image | training, µs a sample |", "|---" * 4 + "|"]
    by_setting: dict[tuple[str, float], dict[str, float]] = {}
    for r in measured["growth"]:
        by_setting.setdefault((r["varied"], r[r["varied"]]), {})[r["name"]] = r["us"]
    for (varied, value), us in by_setting.items():
        lines.append(f"| {names[varied]} | {value:g} | {_us(us['inference'])} | {_us(us['training'])} |")
    return "\n".join(lines)


def _times(row: dict[str, Any]) -> str:
    return f"{row['per_second']:,.0f} | {_us(row['us'])} | {_us(row['us_min'])} to {_us(row['us_max'])}"


def _us(x: float) -> str:
    return f"{x:.2f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:,.0f}"


def of_ranks(measured: Report) -> str:
    lines = ["| what | batch | times one rank | samples a second | µs a sample | least to greatest |", "|---" * 6 + "|"]
    lines += [f"| {r['name']} | {r['batch']:,} | {r['times']} | {_times(r)} |" for r in measured["rows"]]
    return "\n".join(lines)


def estimator(measured: Report) -> str:
    lines = [
        "| data | hidden | model | accuracy | of seeds | log loss | fit, CPU s | decision step | hidden spikes |",
        "|---" * 9 + "|",
    ]
    for r in measured["rows"]:
        accuracy = f"{r['accuracy']:.2%} ± {100 * r['accuracy_deviation_of_folds']:.2f}"
        of_seeds = f"{min(r['accuracy_of_seeds']):.2%} to {max(r['accuracy_of_seeds']):.2%}"
        fit = f"{r['fit_cpu_seconds']['median']:.2f}"
        spikes = f"{r['decision_step']:.2f} | {r['hidden_spikes']:.1f}" if "decision_step" in r else " | "
        place = f"{r['data']} | {r['hidden']} | {r['model']}"
        lines.append(f"| {place} | {accuracy} | {of_seeds} | {r['log_loss']:.3f} | {fit} | {spikes} |")
    return "\n".join(lines)


def where(measured: Report) -> str:
    about = measured["about"]
    versions = ", ".join(f"{name} {about[name]}" for name in ("numpy", "torch", "scikit-learn"))
    return f"{about['cpu']}, {about['instruction_set']}, {about['system']}; Python {about['python']}, {versions}."


def fill(path: Path, tables: dict[str, str]) -> None:
    """Put each table into its place on a page."""
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        marked = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, found = marked.subn(lambda m, table=table: f"{m[1]}\n{table}\n\n{m[2]}", text)
        if found != 1:
            raise SystemExit(f"{path} has {found} places for the table {name}, not one.")
    path.write_text(text, encoding="utf-8")


def main() -> None:
    inference, one, two, classifier = (
        json.loads((DOCS / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("inference", "training", "training-2-threads", "estimator")
    )
    tables = {
        "machine": machine(inference),
        "inference": images(inference),
        "one-image": one_image(inference),
        "counted-minimum": counted_minimum(inference),
        "training": samples(one),
        "training-2-threads": samples(two),
    }
    if (path := DOCS / "benchmarks" / "convolution.json").exists():
        measured = json.loads(path.read_text(encoding="utf-8"))
        tables["convolution-machine"] = where(measured)
        tables["convolution-inference"] = conv_inference(measured)
        tables["convolution-training"] = samples({"rows": measured["training"]})
        tables["convolution-growth"] = conv_growth(measured)
    fill(DOCS / "performance.md", tables)
    if (path := DOCS / "benchmarks" / "ranks.json").exists():
        measured = json.loads(path.read_text(encoding="utf-8"))
        fill(DOCS / "howto" / "distributed.md", {"ranks": of_ranks(measured), "ranks-machine": where(measured)})
    fill(DOCS / "estimator.md", {"estimator-machine": where(classifier), "estimator": estimator(classifier)})


if __name__ == "__main__":
    main()
