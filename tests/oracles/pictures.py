"""Small pictures for the samplers that look at the image, and short training runs on them."""

import numpy as np
import torch
from torch import Tensor, nn

from nint.fields.siren import Siren
from nint.signals.base import GridCoords
from nint.teacher import Teacher

WHITE = 255


def picture(rows: int, columns: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Waves, discs and a little noise in whole grey levels, `[rows, columns, channels]` uint8."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    planes = []
    for _ in range(channels):
        plane = 0.4 + 0.2 * np.sin(2 * np.pi * (generator.uniform(1, 2) * x + generator.uniform(1, 2) * y))
        for _ in range(4):
            cy, cx, radius = *generator.uniform(0.1, 0.9, 2), generator.uniform(0.08, 0.25)
            plane = np.where((y - cy) ** 2 + (x - cx) ** 2 < radius**2, generator.uniform(0, 1), plane)
        planes.append(plane + 0.02 * generator.standard_normal(plane.shape))
    return np.rint(np.clip(np.stack(planes, -1), 0, 1) * WHITE).astype(np.uint8)


def rows_of(image: np.ndarray, value_range: tuple[float, float] = (0.0, 1.0)) -> Tensor:
    """Pixels of a uint8 image in order, in units of a pool, `[n, c]` float32."""
    low, high = value_range
    flat = image.reshape(-1, image.shape[-1])
    return torch.from_numpy((low + (high - low) * flat / WHITE).astype(np.float32))


def exact_grey(image: np.ndarray) -> np.ndarray:
    """Grey levels of a uint8 image before rounding, pixel by pixel in plain floats, `[rows, columns]`."""
    out = np.zeros(image.shape[:2])
    for row, column in np.ndindex(out.shape):
        pixel = [float(level) for level in image[row, column]]
        out[row, column] = 0.2989 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2] if len(pixel) >= 3 else pixel[0]
    return out


def grey_levels(image: np.ndarray) -> np.ndarray:
    """Grey levels of a uint8 image, `[rows, columns]` uint8."""
    return np.rint(exact_grey(image)).astype(np.uint8)


def small_siren(channels: int, seed: int = 0) -> nn.Module:
    return Siren(size="2x32").build(2, channels, torch.Generator().manual_seed(seed))


def teacher_on(image: np.ndarray, sampler, total_steps: int = 100, seed: int = 0, **options) -> Teacher:
    """A teacher with a small SIREN on an image."""
    rows, columns, channels = image.shape
    coords = GridCoords((rows, columns))[:]
    return Teacher(
        small_siren(channels), coords, rows_of(image), sampler, total_steps=total_steps, seed=seed, grid=(rows, columns), **options
    )


def train(teacher: Teacher, steps: int, lr: float = 1e-3):
    """A plain loop; yields (step, batch, state after the step)."""
    optimizer = torch.optim.Adam(teacher.field.parameters(), lr=lr)
    for step in range(steps):
        batch = teacher.next()
        prediction = teacher.field(batch.coords)
        optimizer.zero_grad()
        batch.loss(prediction).backward()
        optimizer.step()
        teacher.observe(prediction)
        yield step, batch, teacher.state


def whole_loss(teacher: Teacher) -> float:
    """Mean squared error over the whole pool."""
    with torch.no_grad():
        return (teacher.field(teacher.probe.coords[:]) - teacher.probe.values[:]).square().mean().item()


def waves(number: int, height: int = 12, width: int = 10, channels: int = 3) -> np.ndarray:
    """Smooth uint8 pixels `[height, width, channels]`, different for each number."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    planes = [np.sin(2 * np.pi * (rng.uniform(0.3, 1.5) * y + rng.uniform(0.3, 1.5) * x + rng.random())) for _ in range(channels)]
    return np.round(255 * (0.5 + 0.45 * np.stack(planes, -1))).astype(np.uint8)
