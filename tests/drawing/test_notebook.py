"""The example notebook runs in a real kernel, and what it shows there is what one wants to see."""

from __future__ import annotations

import json
import re

import pytest
from support import needs
from support.paths import ROOT

nbformat = needs.package("nbformat")
nbclient = needs.package("nbclient")
needs.package("ipykernel")

NOTEBOOK = ROOT / "examples" / "notebook.ipynb"


def execute(notebook, folder):
    # What the kernel's own libraries have to say of themselves is none of our warnings.
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    return client.execute()


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The example, executed."""
    return execute(nbformat.read(NOTEBOOK, as_version=4), str(tmp_path_factory.mktemp("notebook")))


def outputs(notebook, words: str) -> list[dict]:
    """Outputs of the one cell whose source holds these words."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source]
    return cell.outputs


def html(output: dict) -> str:
    return "".join(output["data"]["text/html"])


def test_outputs_are_stripped_in_the_repository():
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in stored["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_nothing_goes_wrong_or_to_standard_error(notebook):
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", output["text"]


def test_training_leaves_one_line_with_the_last_figures(notebook):
    bar, result = outputs(notebook, "train(recipe")
    assert bar["output_type"] == "display_data"
    text = html(bar)
    assert text.count("<progress") == 1
    done, total = re.search(r'max="(\d+)" value="(\d+)"', text).groups()
    assert done == total
    assert "epoch 15/15" in text
    shown = re.search(r"accuracy ([\d.]+)%", text)
    assert float(shown[1]) > 80  # on the validation part
    assert re.match(r"'\d\d\.\d\d% at step \d", result["data"]["text/plain"])


def test_the_model_is_a_table(notebook):
    (output,) = outputs(notebook, "model = bstdg.load")
    assert "<table>" in html(output)
    assert "<td>hidden 1</td><td>64</td><td>256</td><td>16,384</td>" in html(output)
    assert output["data"]["text/plain"].startswith("Model(64-256-10, T=8, reads images of 8 x 8")
    (output,) = outputs(notebook, "print(model.summary())")
    assert "18,944" in output["text"]


@pytest.mark.parametrize("words", ["drawing.raster", "report.anytime", "report.confusion"])
def test_figures_are_shown_once(notebook, words):
    (output,) = outputs(notebook, words)
    assert output["output_type"] == "execute_result"
    assert output["data"]["image/png"].startswith("iVBOR")


def test_the_film_plays(notebook):
    (output,) = outputs(notebook, "to_jshtml")
    assert html(output).count("data:image/png;base64") > 5
    assert "<script" in html(output)


def test_the_report_is_written_with_bars_that_end_full(notebook):
    *bars, result = outputs(notebook, "report.write")
    assert len(bars) == 2
    measuring, drawing = (html(bar) for bar in bars)
    assert "measuring: 360 of 360 samples" in measuring
    assert re.search(r"drawing: (\d+) of \1 figures", drawing)
    size = re.search(r"([\d,]+) bytes", result["data"]["text/plain"])[1]
    assert int(size.replace(",", "")) > 50_000


def test_a_flood_of_updates_stays_one_output(tmp_path):
    """Thousands of batches are one output, and the messages that update it are few."""
    source = """
import time
from bstdg.progress import live
from IPython import get_ipython
sent, send = [], get_ipython().display_pub.publish
get_ipython().display_pub.publish = lambda *a, **k: (sent.append(k.get("update")), send(*a, **k))
shown = live(2, 3000)
start = time.monotonic()
for epoch in (1, 2):
    for _ in range(3000):
        shown.batch(epoch, 1)
    shown.epoch({"epoch": epoch, "accuracy": 0.5, "hidden_spikes_to_decision": 1.0, "decision_step_mean": 2.0,
                 "num_steps": 8, "samples_per_second": 1.0})
shown.close()
print(type(shown).__name__, len(sent) <= 5 + (time.monotonic() - start) / 0.2)
"""
    done = execute(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), str(tmp_path))
    displays = [output for output in done.cells[0].outputs if output["output_type"] == "display_data"]
    assert len(displays) == 1
    assert 'max="6000" value="6000"' in html(displays[0])
    assert done.cells[0].outputs[-1]["text"] == "Live True\n"
