"""A teacher: a small convolutional network of real weights, whose probabilities a binary network learns.

A label says which class an image is; a teacher also says how much it looks like the others (Hinton, Vinyals and Dean,
"Distilling the knowledge in a neural network", 2015). It learns from the training part alone, with the same distorted
copies, and gives probabilities for each copy of each image.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bstdg import files, strict_json
from bstdg.errors import FileFormatError, InputError
from bstdg.layers import Pool2dLayer, Shape, size, written
from bstdg.layers.convolution import Convolution
from bstdg.learning.modules import PLAIN
from bstdg.learning.recipe import TeacherConfig
from bstdg.training import checkpoint

FORMAT = "bstdg-teacher"
LIMIT = 1 << 31  # bytes of a teacher
BATCH = 256
JUDGED_AT_ONCE = 256  # what its layers give fits into caches


class Teacher(nn.Module):
    """Images to logits: convolutions, each normalised over the batch and rectified, poolings that take the greatest,
    and hidden layers.

    Args:
        image_shape: channels, rows and columns.
        classes: how many.
        config: its layers, and how many of the neurons before a full layer's successor are dropped while it learns.

    Shapes: images `[batch, rows, columns]` or `[batch, channels, rows, columns]`, 0 … 1; logits `[batch, classes]`.

    Raises:
        InputError: a layer does not fit what it reads.
    """

    def __init__(self, image_shape: tuple[int, ...], classes: int, config: TeacherConfig):
        super().__init__()
        self.dropout = config.dropout
        self.body = nn.ModuleList()
        reads: Shape = image_shape
        try:
            layers = written.stack(config.structure, image_shape)
        except InputError as error:
            raise InputError(f"teacher.structure: {error}") from None
        for layer in layers:
            if isinstance(layer, written.Full):
                self.body.append(Hidden(size(reads), layer.neurons))
                reads = (layer.neurons,)
                continue
            self.body.append(_windows(layer))
            reads = layer.gives
        self.out = nn.Linear(size(reads), classes, **PLAIN)

    def forward(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Logits; with a generator, which says which hidden neurons are dropped."""
        x = images.unsqueeze(1) if images.ndim == 3 else images
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in self.body:
            x = layer(x)
            if generator is not None and isinstance(layer, Hidden):
                kept = torch.rand(x.shape, generator=generator, **PLAIN) >= self.dropout
                x = x * (kept.float() / (1.0 - self.dropout))
        return self.out(x.flatten(1))


class Hidden(nn.Linear):
    """A full layer over whatever came in, rectified."""

    def __init__(self, below: int, neurons: int):
        super().__init__(below, neurons, **PLAIN)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.flatten(1)).relu()


def _windows(layer: Convolution | Pool2dLayer) -> nn.Module:
    """A convolution with what follows it, or a pooling."""
    if isinstance(layer, Pool2dLayer):
        return nn.MaxPool2d(layer.window, layer.stride)
    (channels, *_), maps, kernel, stride, padding, groups = layer
    convolution = nn.Conv2d(channels, maps, kernel, stride, padding, groups=groups, bias=False, **PLAIN)
    return nn.Sequential(convolution, nn.BatchNorm2d(maps, **PLAIN), nn.ReLU())


def teach(
    teacher: Teacher,
    images: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    white: int,
    config: TeacherConfig,
    generator: torch.Generator,
    learnt: Callable[[int], object] = lambda samples: None,
) -> Teacher:
    """Train a teacher; it is bit for bit the same from the same generator, on as many threads.

    Args:
        teacher: a blank one, which is trained and returned.
        images: uint8 `[copies, N, rows, columns]`, or with channels before the rows; each pass takes one
            copy of each image.
        labels: int64 `[N]`.
        weights: how much each image counts in the loss, `[N]`; None: all alike.
        white: the pixel value that means full intensity.
        config: the schedule.
        generator: where every draw comes from.
        learnt: called with how many samples each step learnt from.
    """
    copies, count = images.shape[:2]
    _start(teacher, generator)
    _channels_last(teacher)
    optimizer = torch.optim.Adam(teacher.parameters(), fused=True)
    batches = -(-count // BATCH)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=config.passes * batches)
    teacher.train()
    for _ in range(config.passes):
        order = torch.randperm(count, generator=generator, device="cpu")
        copy = torch.randint(copies, (count,), generator=generator, device="cpu")
        for index in order.split(BATCH):
            batch = images[copy[index], index].float() / white
            logits = teacher(batch, generator)
            loss = F.cross_entropy(logits, labels[index], reduction="mean" if weights is None else "none")
            loss = loss if weights is None else (loss * weights[index]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rates.step()
            learnt(len(index))
    return teacher.eval()


def blank(image_shape: tuple[int, ...], classes: int, config: TeacherConfig) -> Teacher:
    """A teacher that knows nothing yet, made without a draw from torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        return Teacher(image_shape, classes, config)


def _channels_last(teacher: Teacher) -> None:
    """In which layout torch computes a third faster."""
    for parameter in teacher.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _start(teacher: Teacher, generator: torch.Generator) -> None:
    """Initial weights from the generator (He et al. 2015), since torch's own would come from its global state."""
    with torch.no_grad():
        for layer in teacher.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                fan_in = layer.weight[0].numel()
                layer.weight.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
                if layer.bias is not None:
                    layer.bias.zero_()


@torch.no_grad()
def probabilities(
    teacher: Teacher,
    images: Tensor,
    white: int,
    temperature: float,
    judged: Callable[[int], object] = lambda samples: None,
) -> Tensor:
    """What the teacher gives each class, `[N, classes]`, for uint8 images `[N, …]`; `judged` is told of progress."""
    parts = []
    for part in images.split(JUDGED_AT_ONCE):
        parts.append(teacher(part.float() / white))
        judged(len(part))
    return (torch.cat(parts) / temperature).softmax(1)


def save(path: Path, teacher: Teacher, origin: dict[str, Any]) -> None:
    """Keep a trained teacher beside a checkpoint, with what it came from, so that a resumed run has it again."""
    from safetensors.torch import save as to_bytes

    tensors = {name: tensor.contiguous() for name, tensor in teacher.state_dict().items()}
    metadata = {"format": FORMAT, "sha256": files.UNSEALED, "origin": json.dumps(origin, sort_keys=True)}
    files.write_atomic(path, files.seal(to_bytes(tensors, metadata)))


def load(path: Path, teacher: Teacher, origin: dict[str, Any]) -> bool:
    """Fill a teacher from a file of the same origin; False where there is none.

    Raises:
        FileFormatError: the file is damaged.
        InputError: it is of another origin.
    """
    if not path.exists():
        return False
    data = files.read(path, LIMIT, "any teacher")
    metadata = files.parse(data, str(path)).metadata
    try:
        found = _comparable(metadata.get("origin", "null"))
    except ValueError as error:
        raise FileFormatError(f"{path} is damaged: what it came from is no JSON: {error}") from None
    if metadata.get("format") != FORMAT or found != _comparable(json.dumps(origin)):
        raise InputError(f"{path} is no teacher of this recipe and seed; remove it to have one trained")
    tensors = checkpoint.tensors_of(data, str(path))
    checkpoint.check_tensors(tensors, teacher.state_dict(), str(path))
    teacher.load_state_dict(tensors)
    _channels_last(teacher)
    teacher.eval()
    return True


def _comparable(text: str) -> Any:
    """What a teacher came from, without what has no influence on it: it sees pictures whatever the network reads."""
    origin = strict_json.loads(text)
    if isinstance(origin, dict) and isinstance(origin.get("data"), dict):
        for later in ("edges", "channels"):  # where version 0.1 kept the one, and had none of the other
            if not origin["data"].get(later):
                origin["data"].pop(later, None)
    return origin
