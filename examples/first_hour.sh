#!/usr/bin/env bash
# From a source tree to a network for pictures of your own, proven in C: what the first pages of the docs say, in one go.
#
#   examples/first_hour.sh [--here] [FOLDER]
#
# Everything is left in FOLDER (first-hour unless given), which must not be there yet. By default a fresh virtual
# environment is made in it and bstdg installed, which downloads torch; --here takes the Python that $PYTHON names,
# where bstdg is installed already.
set -euo pipefail

here=no
if [ "${1:-}" = --here ]; then
  here=yes
  shift
fi
folder=${1:-first-hour}
tree=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
start=$SECONDS

say() { printf '\n== %s (%s s)\n' "$1" $((SECONDS - start)); }

if [ -e "$folder" ]; then
  echo "$folder is there already: name another folder" >&2
  exit 2
fi
mkdir -p "$folder"
cd "$folder"

if [ "$here" = no ]; then
  say "A fresh environment, and bstdg from the source tree"
  "$python" -m venv venv
  PIP_CONSTRAINT="$tree/constraints.txt" venv/bin/python -m pip install --quiet --disable-pip-version-check "$tree"
  python=$PWD/venv/bin/python
fi
bstdg() { "$python" -m bstdg "$@"; }

say "A first network: scikit-learn's handwritten digits"
bstdg train digits --out digits 2>/dev/null
bstdg raster digits/model.bstdg --sample 3 --out decision.svg

say "Pictures of our own: PNG files, a folder a class"
"$python" - <<'PICTURES'
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
digits = load_digits()
for n, (image, label) in enumerate(zip(digits.images, digits.target)):
    folder = Path("pictures") / names[label]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image * 255 / 16).astype(np.uint8)).save(folder / f"{n:04d}.png")
PICTURES
find pictures -name '*.png' | wc -l

say "A recipe for them, and its network"
bstdg new mine.toml --data folder
bstdg train mine.toml --data-dir pictures --out mine 2>/dev/null

say "What it is worth, and what it says of three pictures"
bstdg eval mine/model.bstdg --data-dir pictures
fours=(pictures/four/*.png)
bstdg predict mine/model.bstdg "${fours[@]:0:3}"

say "Out of Python: C, with the proof"
bstdg export c mine/model.bstdg --data-dir pictures --out mine-c
bstdg verify mine-c

echo
echo "From nothing to here in $((SECONDS - start)) seconds. Now open $PWD/decision.svg"
