"""Native parts of bstdg; call them through the package, which checks what it is given."""

import numpy as np
from numpy.typing import NDArray

def bin_events(
    offsets: NDArray[np.int64],
    channels: NDArray[np.uint16],
    times: NDArray[np.float64],
    num_channels: int,
    num_steps: int,
    duration: float,
    start: float,
    keep: str,
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint8]]:
    """Timed events become steps, sorted by step, then channel: (offsets, channels, steps).

    Raises ValueError if anything given is out of range, TypeError if an array is of another type.
    """
