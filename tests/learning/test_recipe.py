"""A recipe says everything, and says what is wrong with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from support.paths import ROOT

from bstdg.errors import InputError
from bstdg.inputs.options import InputOptions
from bstdg.learning.recipe import (
    ClassWeight,
    DataConfig,
    DistortConfig,
    EventAugmentation,
    LossConfig,
    NetworkConfig,
    Recipe,
    RuleConfig,
    TeacherConfig,
    TrainConfig,
)
from bstdg.learning.recipe_file import from_dict, load_recipe, recipe_of

RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
SECTIONS = {
    "data": DataConfig,
    "network": NetworkConfig,
    "rule": RuleConfig,
    "loss": LossConfig,
    "train": TrainConfig,
    "distort": DistortConfig,
    "teacher": TeacherConfig,
    "input": InputOptions,
    "events": EventAugmentation,
}
FIELDS = [(name, field.name) for name, section in SECTIONS.items() for field in dataclasses.fields(section)]


def hint_of(section: str, field: str) -> Any:
    return get_type_hints(SECTIONS[section])[field]


def default_of(section: str, field: str) -> Any:
    return getattr(SECTIONS[section](), field)


def another(section: str, field: str) -> Any:
    """A value that is allowed and is not the default; a field of a new type must be added here."""
    hint, default = hint_of(section, field), default_of(section, field)
    if get_origin(hint) is Literal:
        return next(value for value in get_args(hint) if value != default)
    if get_origin(hint) is tuple and get_origin(get_args(hint)[0]) is Literal:
        return get_args(get_args(hint)[0])[:2]
    if get_origin(hint) is tuple:
        return (7, 5)
    if hint == ClassWeight:
        return "balanced"
    return {int: 3, float: 0.37, bool: not default, str: "another"}[hint]


def toml(value: Any) -> str:
    return json.dumps(value)  # the same for the numbers, lists, texts and truths used here


@pytest.fixture
def recipe(tmp_path):
    """Writes a recipe and gives its path."""

    def write(text: str | bytes = "") -> Path:
        path = tmp_path / "recipe.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# --- what is read ----------------------------------------------------------------------------------------------------


def test_an_empty_recipe_is_the_defaults(recipe):
    assert load_recipe(recipe()) == Recipe()
    assert load_recipe(str(recipe())) == Recipe()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_that_come_along_are_read(path):
    loaded = load_recipe(path)
    assert loaded.title
    assert loaded.data.name
    assert from_dict(Recipe, loaded.to_dict()) == loaded


def test_there_are_recipes():
    assert {path.stem for path in RECIPES} >= {"digits", "mnist"}


def test_sections_of_a_recipe_are_those_tested_here():
    hints = {name: kind for name, kind in get_type_hints(Recipe).items() if name != "title"}
    assert hints == SECTIONS


def test_every_field_is_documented():
    for section in SECTIONS.values():
        for field in dataclasses.fields(section):
            assert f"        {field.name}: " in section.__doc__, field.name


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_every_field_is_read_from_a_file(section, field, recipe):
    value = another(section, field)
    loaded = load_recipe(recipe(f"[{section}]\n{field} = {toml(value)}\n"))
    assert getattr(getattr(loaded, section), field) == value
    changed = dataclasses.replace(getattr(Recipe(), section), **{field: value})
    assert loaded == dataclasses.replace(Recipe(), **{section: changed})  # and nothing else changed


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_every_field_can_be_overridden(section, field, recipe):
    value = another(section, field)
    path = recipe(f"[{section}]\n{field} = {toml(default_of(section, field))}\n")
    assert getattr(getattr(load_recipe(path), section), field) == default_of(section, field)
    for text in (toml(value), f" {toml(value)} ", value if isinstance(value, str) else toml(value)):
        loaded = load_recipe(path, [f"{section}.{field}={text}"])
        found = getattr(getattr(loaded, section), field)
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(("section", "field"), FIELDS)
def test_a_fields_name_suffices_where_it_is_the_only_one(section, field, recipe):
    value = another(section, field)
    owners = [name for name, other in FIELDS if other == field]
    if len(owners) == 1:
        loaded = load_recipe(recipe(), [f"{field}={toml(value)}"])
        assert getattr(getattr(loaded, section), field) == value
    else:
        with pytest.raises(InputError, match=f"say which of {', '.join(f'{o}.{field}' for o in owners)}"):
            load_recipe(recipe(), [f"{field}={toml(value)}"])


def test_a_recipe_survives_json_and_back():
    changed = Recipe(
        title="a title",
        **{
            name: from_dict(kind, {f: another(name, f) for s, f in FIELDS if s == name and f != "levels"})
            for name, kind in SECTIONS.items()
        },
    )
    assert not changed.input.levels  # which go with neither equalize nor silent_below
    plain = json.loads(json.dumps(changed.to_dict()))
    assert from_dict(Recipe, plain) == changed
    assert changed != Recipe()


def test_overrides_apply_in_order_over_the_file(recipe):
    path = recipe('title = "first"\n[train]\nepochs = 4\n')
    loaded = load_recipe(path, ["epochs=5", "train.epochs=6", "title=a title = with words", "layers=[]"])
    assert (loaded.train.epochs, loaded.title, loaded.network.layers) == (6, "a title = with words", ())


def test_names_of_version_0_1_are_read_as_those_of_now(recipe):
    old = recipe("[data]\nedges = 2\n[network]\nhidden = [30]\nsilent_below = 0.1\n")
    new = "[network]\nlayers = [30]\n[input]\nedges = 2\nsilent_below = 0.1\n"
    read = load_recipe(old)
    assert read == load_recipe(recipe(new))
    for name in ("hidden", "network.hidden", "layers", "network.layers"):
        assert load_recipe(recipe(new), [f"{name}=[7]"]).network.layers == (7,)
    assert load_recipe(recipe(new), ["data.edges=4", "silent_below=0"]).input == InputOptions(edges=4)
    stored = read.to_dict()
    stored["data"]["edges"], stored["network"]["silent_below"] = 0, 0.0  # as every stored recipe had them
    assert recipe_of(stored) == read


def test_a_byte_order_mark_is_no_part_of_a_recipe(recipe):
    text = 'title = "größer"\n[train]\nepochs = 4\n'
    assert load_recipe(recipe(b"\xef\xbb\xbf" + text.encode())) == load_recipe(recipe(text))
    with pytest.raises(InputError, match="it is no text in UTF-8; save it as such"):
        load_recipe(recipe(text.encode("utf-16")))


def test_bare_words_are_texts_without_the_space_around_them(recipe):
    loaded = load_recipe(recipe(), ["data.name= another ", " kernel = exponential "])
    assert (loaded.data.name, loaded.rule.kernel) == ("another", "exponential")


def test_whole_numbers_are_numbers(recipe):
    loaded = load_recipe(recipe("[rule]\nwidth = 3\n"), ["loss.scale=4"])
    assert (loaded.rule.width, type(loaded.rule.width)) == (3.0, float)
    assert (loaded.loss.scale, type(loaded.loss.scale)) == (4.0, float)


def test_recipes_are_frozen_and_hashable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().train.epochs = 3  # type: ignore[misc]
    assert hash(Recipe()) == hash(Recipe())


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tarin]\nepochs = 3", "unknown key 'tarin'; did you mean 'train'?"),
        ("[train]\nepoch = 3", "unknown key 'train.epoch'; did you mean 'train.epochs'?"),
        ("[network]\nlayer = [3]", "unknown key 'network.layer'; did you mean 'network.layers'?"),
        ("[rule]\nzzz = 3", "unknown key 'rule.zzz'; known here: width, unit, final_width, kernel, tau, centre"),
        ("zzz = 3", "unknown key 'zzz'; known here: title, data, network, rule, loss, train"),
        ("[train.epochs]\nmore = 3", "train.epochs must be an integer, not {'more': 3}"),
        ("train = 3", "train is a section, not the value 3"),
        ("network = [3]", "network is a section, not the value [3]"),
        ("title = 3", "title must be a text, not 3"),
        ("[data]\nname = 3", "data.name must be a text, not 3"),
        ("[train]\nepochs = 3.0", "train.epochs must be an integer, not 3.0"),
        ("[train]\nepochs = true", "train.epochs must be an integer, not True"),
        ('[train]\nepochs = "3"', "train.epochs must be an integer, not '3'"),
        ("[rule]\nwidth = true", "rule.width must be a number, not True"),
        ('[rule]\nwidth = "3"', "rule.width must be a number, not '3'"),
        ("[rule]\nwidth = nan", "rule.width must be a number in 1e-06 … 1e+09, not nan"),
        ("[loss]\nsilent_remainder = 1", "loss.silent_remainder must be true or false, not 1"),
        ("[loss]\nsilent_remainder = 0.0", "loss.silent_remainder must be true or false, not 0.0"),
        ("[network]\nlayers = 600", "network.layers must be a list such as [600], not 600"),
        ('[network]\nlayers = "600"', "network.layers must be a list such as [600], not '600'"),
        ("[network]\nlayers = [600, 2.5]", "network.layers[1] must be an integer or a text, not 2.5"),
        ('[network]\nlayers = [600, "32swirl5"]', "network.layers[1]: '32swirl5' is no layer known here"),
        ('[network]\nlayers = ["6²"]', "is no layer known here"),
        (f'[network]\nlayers = ["1{"0" * 5000}"]', "is no layer known here"),
        ("[network]\nlayers = [true]", "network.layers[0] must be an integer or a text, not True"),
        ("[network]\nlayers = [[600]]", "network.layers[0] must be an integer or a text, not [600]"),
        (
            "[network]\nlayers = [3]\nhidden = [4]",
            "network.hidden is another name for network.layers: give one of them",
        ),
        (
            '[rule]\nkernel = "steps"',
            "rule.kernel must be one of 'step', 'exponential', 'none', not 'steps'; did you mean 'step'?",
        ),
        ("[rule]\nkernel = 1", "rule.kernel must be one of 'step', 'exponential', 'none', not 1"),
        ("[rule]\nkernel = [1]", "rule.kernel must be one of 'step', 'exponential', 'none', not [1]"),
        ('[loss]\nname = "first"', "did you mean 'first_to_fire'?"),
        ('[network]\nthreshold_mode = "x"', "network.threshold_mode must be one of 'neuron', 'layer', 'fixed'"),
    ],
)
def test_a_wrong_key_or_value_is_named(text, message, recipe):
    path = recipe(text)
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


OUT_OF_RANGE = [
    ("data", "validation", [0, 1, -0.1, 1.1]),
    ("data", "limit", [-1]),
    ("data", "channels", [-1, 2, 4]),
    ("network", "layers", [[0], [-1], [5, 0], [65_536], ["0"]]),
    ("network", "num_steps", [0, -1, 255]),
    ("input", "edges", [-1]),
    ("input", "levels", [[-1], [70_000], [10, 20]]),
    ("input", "silent_below", [-0.1, 1, 2]),
    ("network", "initial_share", [0, 1, -0.1]),
    ("network", "initial_output_share", [0, 1, 1.5]),
    ("network", "initial_output_margin", [-1, 2**20]),
    ("rule", "width", [0, -1]),
    ("rule", "final_width", [-1, 1e-7, 1e10]),
    ("rule", "tau", [0, -1]),
    ("loss", "latency_weight", [-0.1]),
    ("loss", "spike_weight", [-0.1]),
    ("loss", "label_smoothing", [-0.1, 1]),
    ("loss", "scale", [0, -2]),
    ("loss", "gamma", [0, -1]),
    ("train", "epochs", [0, -1]),
    ("train", "batch", [0]),
    ("train", "weight_rate", [-1e-9]),
    ("train", "threshold_rate", [-1]),
    ("train", "scale_rate", [-1]),
    ("train", "shift", [-1]),
    ("train", "shift_share", [-0.1, 1.1]),
    ("train", "jitter", [-1]),
    ("train", "input_dropout", [-0.1, 1]),
    ("train", "spike_dropout", [-0.1, 1]),
    ("train", "average", [-0.1, 1]),
    ("train", "patience", [-1]),
    ("train", "calibration", [0]),
    ("distort", "copies", [-1, 255]),
    ("distort", "rotation", [-1]),
    ("distort", "zoom", [-0.1, 1]),
    ("distort", "shear", [-0.1]),
    ("distort", "move", [-1]),
    ("distort", "elastic", [-0.1]),
    ("teacher", "weight", [-0.1, 1.1]),
    ("teacher", "temperature", [0, -1]),
    ("teacher", "structure", [[0], ["8c"], [8, -3], ["pool2n2"]]),
    ("teacher", "passes", [0]),
    ("teacher", "rate", [0, -1]),
    ("teacher", "dropout", [-0.1, 1]),
    ("data", "validation_speakers", [[-1]]),
    ("data", "validation_patients", [[-1]]),
    ("data", "fold", [-1, 6]),
    ("input", "signal", [["upwards"], ["level", "level"], [1]]),
    ("input", "signal_top", [-1, 65_536]),
    ("rule", "centre", [-0.1, 1]),
    ("data", "size", [[32], [0, 48], [1, 2, 3], [9999, 48]]),
    ("input", "duration", [0, -1]),
    ("input", "onset", [-1]),
    ("input", "pool", [0]),
    ("input", "gates", [0, 255]),
    ("input", "edges", [-1]),
    ("input", "counts", [-1, 65536]),
    ("input", "delays", [[], [1, 1], [-1], [255]]),
    ("input", "windows", [[], [1, 1], [-1], [255]]),
    ("events", "channel_shift", [-1]),
    ("events", "channel_stretch", [-0.1, 1]),
    ("events", "time_stretch", [-0.1, 1]),
    ("events", "time_shift", [-0.1]),
    ("events", "time_jitter", [-0.1]),
    ("events", "event_dropout", [-0.1, 1]),
    ("events", "mixup", [-0.1, 1.1]),
]


@pytest.mark.parametrize(("section", "field", "values"), OUT_OF_RANGE)
def test_what_is_out_of_range_is_refused(section, field, values, recipe):
    for value in values:
        with pytest.raises(InputError, match=field):
            from_dict(Recipe, {section: {field: value}})
        with pytest.raises(InputError, match=field):
            SECTIONS[section](**{field: tuple(value) if isinstance(value, list) else value})
        with pytest.raises(InputError, match=field):
            load_recipe(recipe(), [f"{section}.{field}={value}"])


def test_every_number_has_a_range():
    ranged = {(section, field) for section, field, _ in OUT_OF_RANGE}
    numbers = {(s, f) for s, f in FIELDS if hint_of(s, f) in (int, float) or get_origin(hint_of(s, f)) is tuple}
    assert ranged == numbers


@pytest.mark.parametrize(("section", "field"), [(s, f) for s, f in FIELDS if hint_of(s, f) is float])
def test_nan_is_no_number(section, field, recipe):
    with pytest.raises(InputError, match=f"{section}.{field}"):
        load_recipe(recipe(), [f"{section}.{field}=nan"])
    with pytest.raises(InputError, match=field):
        SECTIONS[section](**{field: float("nan")})


@pytest.mark.parametrize(("section", "field"), [(s, f) for s, f in FIELDS if get_origin(hint_of(s, f)) is Literal])
def test_a_word_that_is_no_choice_is_refused_in_python_too(section, field):
    with pytest.raises(InputError, match=f"{section}.{field} must be one of"):
        SECTIONS[section](**{field: "nonsense"})


@pytest.mark.parametrize(
    ("section", "field", "values"),
    [
        ("network", "num_steps", [1, 254]),
        ("network", "layers", [(), (1,), (65_535,), ("30",)]),
        ("input", "silent_below", [0]),
        ("train", "shift_share", [0, 1]),
        ("train", "weight_rate", [0]),
        ("loss", "label_smoothing", [0]),
        ("rule", "width", [1e-6, 1e9]),  # the second as good as the box
        ("rule", "final_width", [0, 1e-6, 1e9]),
    ],
)
def test_the_ends_of_a_range_are_allowed(section, field, values):
    for value in values:
        assert getattr(from_dict(SECTIONS[section], {field: value}), field) == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "--set takes section.field=value, not 'epochs'"),
        ("=3", "--set takes section.field=value"),
        ("", "--set takes section.field=value"),
        (" =3", "--set takes section.field=value"),
        ("epoch=3", "unknown key 'epoch'; did you mean 'train.epochs'?"),
        ("threshold_mod=layer", "did you mean 'network.threshold_mode'?"),
        ("zzzzzz=3", "unknown key 'zzzzzz'"),
        ("train.epoch=3", "unknown key 'train.epoch'; did you mean 'train.epochs'?"),
        ("trian.epochs=3", "unknown key 'trian'; did you mean 'train'?"),
        ("train.epochs.more=3", "train.epochs must be an integer"),
        ("train=3", "train is a section"),
        ("epochs=True", "train.epochs must be an integer, not 'True'"),
        ("epochs=", "train.epochs must be an integer, not ''"),
        ("silent_remainder=True", "loss.silent_remainder must be true or false, not 'True'"),
        ("width=wide", "rule.width must be a number, not 'wide'"),
        ("kernel=exp", "rule.kernel must be one of 'step', 'exponential', 'none', not 'exp'"),
        (f"width=1{'0' * 400}", "rule.width must be a number"),
        (f"epochs=1{'0' * 5000}", "train.epochs must be an integer, not '1000"),
        (f"epochs={'[' * 5000}", "train.epochs must be an integer, not '[[["),
    ],
)
def test_a_wrong_override_is_named(override, message, recipe):
    with pytest.raises(InputError) as caught:
        load_recipe(recipe("[network]\nhidden = [3]\n"), [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300  # a slip of a megabyte is not repeated


def test_an_override_below_a_value_is_refused(recipe):
    with pytest.raises(InputError, match="'layers' is no section"):
        load_recipe(recipe("[network]\nhidden = [3]\n"), ["network.layers.first=3"])


@pytest.mark.parametrize(
    "text",
    [
        "[train",
        "epochs = ",
        "a = 1\na = 2",
        b"\xff\xfe",
        b'title = "\x00"',
        "[train]\nepochs = 3 4",
        f"epochs = 1{'0' * 5000}",
        f"a = {'[' * 5000}",
    ],
    ids=range(8),
)
def test_what_is_no_toml_is_refused(text, recipe):
    path = recipe(text)
    with pytest.raises(InputError, match=r"no valid TOML|cannot read the recipe") as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the recipe .*nowhere.toml: No such file"):
        load_recipe(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="cannot read the recipe"):
        load_recipe(tmp_path)
