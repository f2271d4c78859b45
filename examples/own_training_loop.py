"""NINT in a plain PyTorch loop with somebody else's network: nothing of nint's trainer is used.

    python examples/own_training_loop.py            # half a minute
    python examples/own_training_loop.py --small    # seconds

Prints the steps that NINT and uniform sampling need to the same target, from the same start weights.
"""

import copy
import sys

import torch
from skimage import data
from torch import nn

import nint


class ResidualMlp(nn.Module):
    """Any module will do: random Fourier features, residual blocks, LayerNorm."""

    def __init__(self, width: int = 128, blocks: int = 2) -> None:
        super().__init__()
        self.register_buffer("frequencies", 12 * torch.randn(2, width // 2))
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU()) for _ in range(blocks))
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        h = torch.cat([torch.sin(x @ self.frequencies), torch.cos(x @ self.frequencies)], dim=-1)
        for block in self.blocks:
            h = h + block(h)
        return self.head(h)


def steps_to(target_db, model, coords, values, sampler, most=600):
    teacher = nint.Teacher(model, coords, values, sampler, total_steps=most)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(1, most + 1):
        batch = teacher.next()
        prediction = model(batch.coords)
        loss = batch.loss(prediction)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.observe(prediction)
        with torch.no_grad():
            if -10 * torch.log10((model(coords) - values).square().mean()) >= target_db:
                return step
    return None


def main():
    small = "--small" in sys.argv[1:]
    apart = 16 if small else 8
    photo = torch.from_numpy(data.camera()[::apart, ::apart].copy()).float() / 255
    rows, columns = photo.shape
    grid = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij")
    coords, values = torch.stack(grid, dim=-1).reshape(-1, 2), photo.reshape(-1, 1)
    torch.manual_seed(0)
    model = ResidualMlp()
    print(f"steps to 22 dB on a {columns}x{rows} photo, batch of 20 % of the pixels:")
    for sampler in ("nint", "uniform"):
        steps = steps_to(22.0, copy.deepcopy(model), coords, values, sampler, 200 if small else 600)
        print(f"  {sampler:8s} {'not reached' if steps is None else steps}")


if __name__ == "__main__":
    main()
