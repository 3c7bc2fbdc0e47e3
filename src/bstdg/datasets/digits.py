"""scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels, no files and no network needed.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
1998, doi:10.24432/C50P49; scikit-learn ships the test part of it, without a split of its own. This is ours:

    train_test_split(…, test_size=0.2, random_state=0, stratify=labels)

with 1437 training and 360 test images, the same for every training seed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bstdg.datasets.base import Dataset, Split
from bstdg.datasets.sources import Source

TEST_SHARE = 0.2
SPLIT_SEED = 0  # part of what "digits" means: never derive it from a training seed
WHITE = 16  # a pixel counts the black dots of a 4 x 4 block


def load(name: str, split: Split, data_dir: str | Path | None = None, progress: bool = False) -> Dataset:
    """Load a split of the digits; `data_dir` and `progress` are not needed: no file is looked for."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = map(np.asarray, load_digits(return_X_y=True))
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=labels
    )
    chosen = train if split == "train" else test
    return Dataset(
        name=name,
        split=split,
        images=pixels[chosen].reshape(-1, 8, 8).astype(np.uint8),
        labels=labels[chosen].astype(np.int64),
        white=WHITE,
        classes=tuple("0123456789"),
    )


SOURCES = (
    Source("digits", "Digits (scikit-learn, 8 x 8)", "images", load, comes_with="scikit-learn", shape=(1, 8, 8)),
)
