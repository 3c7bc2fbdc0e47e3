"""Maps in a report keep the colours of their steps; pictures in grey follow the page."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from support.sliding import sliding
from support.strategies import reading

from bstdg.drawing.rasters import raster
from bstdg.drawing.style import NEVER
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Model
from bstdg.report.svg import inline


@pytest.mark.parametrize(("reads", "masks"), [((1, 12, 10), 1), ((3, 9, 9), 0), ((1, 1, 40), 0)])
def test_maps_keep_their_colours_in_a_page(reads, masks):
    layers = sliding(reads, ["5c1x3", "pool1x2n2", 7])
    model = Model(PackedModel(reading(shape=reads), layers, 8, ("a", "b", "c", "d")))
    image = np.random.default_rng(3).integers(0, 256, reads).astype(np.uint8)
    text = inline(raster(model, image, columns=2), "one")
    assert text.count("<mask") == masks
    shown = re.findall(r'<image [^>]*href="data:image/png;base64,([^"]*)"', text)
    signal = reads[1] == 1  # which is a curve
    assert len(shown) == (3 - signal) + (1 if not signal else 0)  # of maps, and the picture
    never = [round(255 * part) for part in to_rgb(NEVER)]
    pixels = [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")) for data in shown]
    assert any((one[..., :3] == never).all(axis=-1).any() for one in pixels[-2:])
    assert "style=" not in text and not re.search(r' id="(?!one-)', text)
