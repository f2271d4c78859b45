"""EVOS written from its specification in slow numpy and sets, and small cases to run it on."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from nint.probe.probe import Probe
from nint.samplers.base import Feedback, Selection
from nint.samplers.evos import Evos, EvosState
from nint.signals.base import Pool

LAPLACE = np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
GREY = np.array([0.2989, 0.587, 0.114])


def oracle_laplacian(image: np.ndarray) -> np.ndarray:
    """Pixel by pixel, nothing outside the image."""
    rows, columns = image.shape
    out = np.zeros_like(image)
    for r in range(rows):
        for c in range(columns):
            total = -4 * image[r, c]
            for dr, dc in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                if 0 <= r + dr < rows and 0 <= c + dc < columns:
                    total += image[r + dr, c + dc]
            out[r, c] = total
    return out


def oracle_grey(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.shape[1] == 1 else values[:, :3] @ GREY


def oracle_maps(prediction: np.ndarray, values: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """E and L for values in [-1, 1]: the setting that EVOS was published in."""
    error = ((prediction - values) ** 2).mean(1)
    shown = np.clip((prediction + 1) * 127.5, 0, 255)
    target = (values + 1) * 127.5
    detail = (oracle_laplacian(oracle_grey(shown).reshape(grid)) - oracle_laplacian(oracle_grey(target).reshape(grid))) ** 2
    return error, detail.reshape(-1)


def oracle_crossover(error: np.ndarray, detail: np.ndarray, n: int, weight: float) -> tuple[set, set, set]:
    """(intersection, from E, from L) as sets, following section 7.3 word by word."""
    top_error = sorted(range(len(error)), key=lambda i: -error[i])[:n]
    top_detail = sorted(range(len(detail)), key=lambda i: -detail[i])[:n]
    both = set(top_error) & set(top_detail)
    missing = n - len(both)
    from_error = int(missing * error.mean() / (weight * detail.mean() + error.mean()))
    error_only = [i for i in top_error if i not in both]
    detail_only = [i for i in top_detail if i not in both]
    return both, set(error_only[:from_error]), set(detail_only[: missing - from_error])


def oracle_evaluations(total: int) -> list[int]:
    """0-based evaluation steps."""
    return [e - 1 for e in range(1, total + 1) if e % int(100 - 50 * e / total) == 1]


def make_field(channels: int, seed: int = 0, width: int = 12) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    field = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, channels)).double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.7)
    return field


def make_pool(grid, channels: int, value_range=(0.0, 1.0), seed: int = 1, epoch: int = 0) -> Pool:
    generator = torch.Generator().manual_seed(seed)
    rows, columns = grid
    y, x = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij")
    coords = torch.stack([y.reshape(-1), x.reshape(-1)], 1).double()
    low, high = value_range
    values = torch.rand(rows * columns, channels, generator=generator, dtype=torch.float64) * (high - low) + low
    return Pool(coords, values, tuple(grid), value_range, epoch)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drive(
    sampler: Evos, probe: Probe, steps: int, total: int, seed: int = 0, move: float = 0.0
) -> Iterator[tuple[int, Selection, EvosState]]:
    """Runs the sampler without training (or with a small random walk of the parameters); yields (step, selection, state)."""
    generator = rng(seed)
    noise = rng(99)
    state = sampler.init(probe, total, generator)
    for step in range(steps):
        probe.clear_cache()
        selection, state = sampler.select(state, step, probe, generator)
        prediction = probe.prediction()[selection.indices]
        yield step, selection, state
        point_loss = probe.loss.point_loss(prediction, probe.values[selection.indices])
        state = sampler.observe(state, step, selection, Feedback(prediction, point_loss))
        if move:
            with torch.no_grad():
                for parameter in probe._field.parameters():
                    parameter += move * torch.randn(parameter.shape, generator=noise, dtype=parameter.dtype)
