"""A Lightning module that fits a photo; its checkpoint holds the sampler too, so that a resumed run chooses the same points.

    pip install 'nint[lightning]'
    python examples/lightning_module.py            # about a minute
    python examples/lightning_module.py --small    # seconds, for a test that it runs: too short to say who is better
    python examples/lightning_module.py --full     # a larger photo and network; some minutes

uniform, nint-fast, nint   nint's samplers, on pixels
evos                       the field's own rule, EVOS (Zhang et al. 2025): the worst fitted of a ranking that training itself pays for
"""

import argparse
import logging
import math
import tempfile
import time
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch
from skimage import data
from torch import nn

import nint
from nint.integrations import TeacherBatches, TeacherCallback


class Photo(pl.LightningModule):
    """Random Fourier features and two hidden layers; the batches come from a teacher."""

    def __init__(self, width):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("frequencies", 12 * torch.randn(2, width // 2, generator=generator))
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.chosen = []

    def forward(self, points):
        phase = points @ self.frequencies
        return self.net(torch.cat([torch.sin(phase), torch.cos(phase)], 1))

    def training_step(self, batch, batch_idx):
        self.chosen.append(batch.indices)
        return batch.loss(self(batch.coords))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=2e-3)


def fit(photo, width, sampler, steps, folder, resume=None):
    """A trained module; `resume` is the checkpoint to start from."""
    rows, columns = photo.shape
    coords = torch.cartesian_prod(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns))
    values = photo.reshape(-1, 1)
    module = Photo(width)
    teacher = nint.Teacher(module, coords, values, sampler, total_steps=steps, grid=(rows, columns))
    halfway = pl.callbacks.ModelCheckpoint(dirpath=folder, every_n_train_steps=steps // 2, save_top_k=-1, filename="{step}")
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        devices=1,
        callbacks=[TeacherCallback(teacher), halfway],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, TeacherBatches(teacher), ckpt_path=resume, weights_only=True)
    with torch.no_grad():
        decibels = -10 * math.log10(float((module(coords) - values).square().mean()))
    return module, decibels


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", dest="size", action="store_const", const="small", default="usual")
    parser.add_argument("--full", dest="size", action="store_const", const="full")
    stride, width, steps = {"small": (16, 32, 20), "usual": (6, 128, 400), "full": (2, 256, 2000)}[parser.parse_args().size]
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    photo = torch.from_numpy(data.camera()[::stride, ::stride].copy()).float() / 255
    print(f"{photo.shape[1]}x{photo.shape[0]} photo, 20 % of the pixels a step, {steps} steps")
    print(f"{'sampler':10s} {'dB':>6s} {'CPU s':>8s}   resumed at {steps // 2}")
    for sampler in ("uniform", "evos", "nint-fast", "nint"):
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            whole, decibels = fit(photo, width, sampler, steps, folder)
            seconds = time.process_time() - began
            resumed, again = fit(photo, width, sampler, steps, Path(folder) / "again", Path(folder) / f"step={steps // 2}.ckpt")
        same = all(torch.equal(a, b) for a, b in zip(whole.chosen[steps // 2 :], resumed.chosen, strict=True)) and decibels == again
        print(f"{sampler:10s} {decibels:6.2f} {seconds:8.1f}   {'same points, same weights' if same else 'DIFFERS'}")


if __name__ == "__main__":
    main()
