"""Model files whose checksum is right and whose content is not: refused in one line, or models that work in full."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.model_files import resealed
from support.paths import GOLDEN
from support.strange import anything, changed

from bstdg import export
from bstdg.cli import show
from bstdg.errors import FileFormatError
from bstdg.model import packed, runtime
from bstdg.model.describe import describe

KINDS = [path for path in sorted(GOLDEN.glob("*.bstdg")) if not path.name.startswith("checkpoint")]
FILES = {path.stem: path.read_bytes() for path in KINDS}


def config_of(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["config"])


def with_config(data: bytes, config: Any) -> bytes:
    def change(header, metadata, payload):
        metadata["config"] = config if isinstance(config, str) else json.dumps(config)
        return payload

    return resealed(data, change)


def use(data: bytes, target: str | None = None) -> None:
    """Do all that is done with a model."""
    model = packed.from_bytes(data, "it")
    assert packed.to_bytes(packed.from_bytes(packed.to_bytes(model))) == packed.to_bytes(model)
    network = runtime.Model(model)
    rng = np.random.default_rng(0)
    if model.input.samples == "recordings":
        events = (np.array([0, 9]), rng.integers(0, min(99, model.input.reads[0]), 9), rng.random(9))
        spikes = network.encode_events(*events)
    elif model.input.samples == "features":
        spikes = network.encode(rng.normal(size=(2, *model.input.reads)))
    else:
        spikes = network.encode(rng.random((2, *model.input.reads)))
    network.run(spikes)
    str(network.summary()), network._repr_html_(), repr(network), json.dumps(describe(model), allow_nan=False)
    show.model(model, "it", len(data), packed.version_of(data), "native")
    for part in ("validation", "test"):
        if part in model.trained:
            show.figures(part, model.trained[part])
    if target is not None:
        chosen = export.target(target)
        alone = packed.network_alone(model)
        if any(chosen.refuses(layer) for layer in alone.layers):  # which `export` says before anything is written
            return
        golden = export.Golden.of(alone, np.zeros((1, alone.widths[0]), np.uint8))
        assert chosen.write(alone, golden, "net").files


def refused_or_used(data: bytes, target: str | None = None) -> str | None:
    """What it was refused with; None where it works."""
    try:
        packed.from_bytes(data, "it")
    except FileFormatError as error:
        said = str(error)
        assert said.startswith("it") and "\n" not in said and len(said) < 500, said
        return said
    use(data, target)
    return None


@pytest.mark.parametrize("name", FILES)
def test_every_golden_file_works(name):
    for target in export.targets():
        use(FILES[name], target)


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=400)
def test_any_field_may_be_anything(name, data):
    config = changed(data.draw, config_of(FILES[name]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused_or_used(with_config(FILES[name], config), data.draw(st.sampled_from([None, None, *export.targets()])))


@given(st.sampled_from(sorted(FILES)), anything())
def test_the_whole_configuration_may_be_anything(name, config):
    assert refused_or_used(with_config(FILES[name], json.dumps(config)))


@given(st.sampled_from(sorted(FILES)), st.text(max_size=40))
def test_the_configuration_may_be_any_text(name, text):
    assert refused_or_used(with_config(FILES[name], text))


READS = {"kind": "latency", "reads": [1, 2, 2]}
COLOUR, RECORDINGS, TRAINED = "model-colour-v2", "model-recordings-v2", "digits"


def at(path: str, value: Any):
    """Set one field, by its place."""

    def change(config):
        *parts, last = path.split(".")
        for part in parts:
            config = config[part]
        config[last] = value

    return change


NONSENSE = [
    (COLOUR, at("classes", [1, 2, 3]), "names of classes must be a row of texts"),
    (COLOUR, at("classes", "abc"), "names of classes must be a row of texts"),
    (COLOUR, at("classes", [["a"], ["b"], ["c"]]), "names of classes must be a row of texts"),
    (COLOUR, at("classes", ["a", "b", "\ud800"]), "half a surrogate pair"),
    (COLOUR, at("num_steps", True), "num_steps must be an integer"),
    (COLOUR, at("num_steps", 8.0), "num_steps must be an integer"),
    (COLOUR, at("input.white", True), "white must be an integer"),
    (COLOUR, at("input.white", 255.0), "white must be an integer"),
    (COLOUR, at("input.silent_below", False), r"silent_below must be in \[0, 1\)"),
    (COLOUR, at("input.silent_below", float("nan")), "NaN is no number"),
    (COLOUR, at("input.reads", [-3, -4, 5]), "is no shape"),
    (COLOUR, at("input.reads", [3.0, 4.0, 5.0]), "is no shape"),
    (COLOUR, at("input.reads", [True, 4, 15]), "is no shape"),
    (COLOUR, at("trained", []), "must be a table"),
    (COLOUR, at("trained", {"data": ["mnist"]}), "trained.data should be a text"),
    (COLOUR, at("trained", {"seed": "0"}), "trained.seed should be an integer"),
    (COLOUR, at("trained", {"recipe": "mnist"}), "trained.recipe should be a table"),
    (COLOUR, at("trained", {"test": [0.9]}), "trained.test should be a table of figures"),
    (COLOUR, at("trained", {"deep": json.loads("[" * 80 + "]" * 80)}), "nests deeper than 64"),
    (TRAINED, at("trained.test.accuracy", "good"), "trained.test.accuracy should be a number"),
    (TRAINED, at("trained.test.accuracy", 1.5), "trained.test.accuracy is a share"),
    (TRAINED, at("trained.test.samples", True), "trained.test.samples should be a number"),
    (TRAINED, at("trained.test.hidden_spikes", float("inf")), "Infinity is no number"),
    (TRAINED, at("trained.validation.tie_rate", None), "trained.validation.tie_rate should be a number"),
    (TRAINED, at("trained.test.engine", 3), "trained.test.engine should be a text"),
    (RECORDINGS, at("input.delays", [float("inf")]), "Infinity is no number"),
    (RECORDINGS, at("input.delays", [1.5]), "input.delays.0. must be an integer"),
    (RECORDINGS, at("input.delays", ["1"]), "input.delays.0. must be an integer"),
    (RECORDINGS, at("input.delays", [True]), "input.delays.0. must be an integer"),
    (RECORDINGS, at("input.windows", "12"), "input.windows must be a list"),
    (RECORDINGS, at("input.pool", True), "input.pool must be an integer"),
    (RECORDINGS, at("input.pool", 2**31), "input.pool must be in 1 … 65535"),
    (RECORDINGS, at("input.duration", "1.4"), "input.duration must be a number"),
    (RECORDINGS, at("input.duration", True), "input.duration must be a number"),
    (RECORDINGS, at("input.duration", 1e-320), "input.duration must be in"),
    (RECORDINGS, at("input.reads", [2**31]), "is no shape"),
]


@pytest.mark.parametrize(("name", "change", "message"), NONSENSE)
def test_nonsense_is_refused_where_the_file_becomes_a_model(name, change, message):
    config = copy.deepcopy(config_of(FILES[name]))
    change(config)
    with pytest.raises(FileFormatError, match=message):
        packed.from_bytes(with_config(FILES[name], config), "it")


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 2000 + "1" + "}" * 2000])
def test_nesting_without_end_is_refused_in_one_line(text):
    with pytest.raises(FileFormatError, match="nests deeper than 64 levels"):
        packed.from_bytes(with_config(FILES[COLOUR], text), "it")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 5000])
def test_a_number_beyond_numbers_is_refused(number):
    text = json.dumps(config_of(FILES[COLOUR])).replace('"trained": {', f'"trained": {{"more": {number}, ', 1)
    assert number in text
    with pytest.raises(FileFormatError, match=r"is too great|has 5000 digits"):
        packed.from_bytes(with_config(FILES[COLOUR], text), "it")


def test_a_whole_number_as_long_as_a_float_holds_is_taken():
    text = json.dumps(config_of(FILES[COLOUR])).replace('"trained": {', f'"trained": {{"seed": {"9" * 300}, ', 1)
    use(with_config(FILES[COLOUR], text))


def test_what_is_said_of_a_damaged_file_has_an_end():
    config = config_of(FILES[COLOUR])
    config["input"]["kind"] = "x" * 500_000
    assert len(refused_or_used(with_config(FILES[COLOUR], config))) < 400
    config["input"] = {**config_of(FILES[COLOUR])["input"], "white": list(range(100_000))}
    assert len(refused_or_used(with_config(FILES[COLOUR], config))) < 400


def test_the_neurons_of_a_layer_are_a_whole_number():
    for neurons in (3.0, "3", [3], None):
        config = config_of(FILES[COLOUR])
        config["layers"][-1]["neurons"] = neurons
        assert "layer" in refused_or_used(with_config(FILES[COLOUR], config))


def test_names_of_files_that_are_no_text_may_be_classes():
    """A folder of pictures may be called by any bytes; Python keeps them as lone surrogates."""
    config = config_of(FILES[COLOUR])
    config["classes"][0] = b"caf\xe9".decode("utf-8", "surrogateescape")
    model = packed.from_bytes(with_config(FILES[COLOUR], config))
    assert model.classes[0].encode("utf-8", "surrogateescape") == b"caf\xe9"


@given(st.sampled_from(sorted(FILES)), st.data())
@settings(max_examples=200)
def test_any_tensor_may_be_described_as_another(name, data):
    def change(header, metadata, payload):
        tensors = {key: value for key, value in header.items() if key != "__metadata__"}
        header.clear()
        header.update({"__metadata__": metadata, **changed(data.draw, tensors)})
        return payload

    refused_or_used(resealed(FILES[name], change))


@given(st.sampled_from(sorted(FILES)), st.binary(min_size=1, max_size=64), st.integers(0, 10_000))
@settings(max_examples=200)
def test_tensors_may_hold_any_bytes(name, noise, at):
    def change(header, metadata, payload):
        begin = at % len(payload)
        return (payload[:begin] + noise + payload[begin + len(noise) :])[: len(payload)]

    refused_or_used(resealed(FILES[name], change))
