"""Tomography: a network of the plane is trained on line integrals, and each training point is a ray.

    python examples/tomography.py            # about half a minute
    python examples/tomography.py --small    # seconds, for a test that it runs: too short to say who is better
    python examples/tomography.py --full     # more views, a larger network, three seeds; an hour on two cores

The phantom is a sum of ellipses, whose line integrals are known in closed form: the measurements do not come from the sampled integrals
that the network is trained with. The residual of a ray is (sum of the network along it) - (measurement), so `nint` scores rays by K g of
this loss; nothing of the network's output at a point is ever compared with anything.

uniform, nint, nint-fast   nint's samplers, on rays
int                        the rays of largest residual: the greedy (Motzkin) choice of Kaczmarz methods
row-norm                   the field's own rule, Strohmer and Vershynin 2009 (randomised Kaczmarz): a ray's probability is proportional to
                           the squared norm of its row of the system, which for an image of pixels is the length of the ray inside it
"""

import argparse
import copy
import math
import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn

import nint

ELLIPSES = [  # centre x, y, half axes, angle in degrees, density
    (0.0, 0.0, 0.70, 0.90, 0, 0.8),
    (0.0, -0.02, 0.64, 0.84, 0, -0.5),
    (0.22, 0.0, 0.11, 0.31, -18, -0.2),
    (-0.22, 0.0, 0.16, 0.41, 18, -0.2),
    (0.0, 0.35, 0.21, 0.25, 0, 0.3),
    (0.0, -0.45, 0.05, 0.05, 0, 0.5),
    (0.1, -0.60, 0.06, 0.03, 30, 0.6),
]


def turned(ellipse):
    x, y, a, b, degrees, density = ellipse
    angle = math.radians(degrees)
    return torch.tensor([x, y]), torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]), (a, b), density


def line_integrals(origin, direction):
    """Exact integrals of the phantom along whole lines, `[n, 1]`: density times the chord of each ellipse."""
    total = torch.zeros(len(origin))
    for centre, turn, (a, b), density in map(turned, ELLIPSES):
        scale = torch.tensor([1 / a, 1 / b])
        start, along = ((origin - centre) @ turn.T) * scale, (direction @ turn.T) * scale
        squared, mixed = along.square().sum(1), (start * along).sum(1)
        discriminant = mixed.square() - squared * (start.square().sum(1) - 1)
        total += density * 2 * discriminant.clamp(min=0).sqrt() / squared
    return total[:, None]


def phantom(points):
    """The density itself, `[n, 1]`; only for the table."""
    total = torch.zeros(len(points))
    for centre, turn, (a, b), density in map(turned, ELLIPSES):
        inside = (((points - centre) @ turn.T) * torch.tensor([1 / a, 1 / b])).square().sum(1) <= 1
        total += density * inside
    return total[:, None]


def rays(views, detectors):
    """Parallel beams: a point of each line `[n, 2]` and its direction `[n, 2]`."""
    angle = torch.arange(views) * (math.pi / views)
    offset = (torch.arange(detectors) + 0.5) / detectors * 2 - 1
    angle, offset = angle.repeat_interleave(detectors), offset.repeat(views)
    normal = torch.stack([torch.cos(angle), torch.sin(angle)], 1)
    return offset[:, None] * normal, torch.stack([-normal[:, 1], normal[:, 0]], 1)


def projection(samples):
    """The residual of rays: the integral of the network inside the unit disc by the midpoint rule, less the measurement."""

    def residual(model, inputs):
        origin, direction, measured = inputs
        half = (1 - origin.square().sum(1)).clamp(min=0).sqrt()  # the ray is inside the disc from -half to half
        place = ((torch.arange(samples) + 0.5) / samples * 2 - 1) * half[:, None]
        points = origin[:, None] + place[..., None] * direction[:, None]
        values = model(points.reshape(-1, 2)).reshape(len(origin), samples)
        return values.mean(1, keepdim=True) * 2 * half[:, None] - measured

    return residual


class Network(nn.Module):
    """Random Fourier features and two hidden layers; densities are not negative."""

    def __init__(self, width, bandwidth=6.0):
        super().__init__()
        self.register_buffer("frequencies", bandwidth * torch.randn(2, width // 2))
        self.net = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, points):
        phase = points @ self.frequencies
        return nn.functional.softplus(self.net(torch.cat([torch.sin(phase), torch.cos(phase)], 1)) - 2)


@dataclass(frozen=True)
class RowNorm(nint.BatchSampler):
    """Rays in proportion to the squared norm of their rows of the system: to their length in the disc. Rows do not change."""

    def select(self, state, step, probe, rng):
        origin = probe.coords[:][0]
        length = 2 * (1 - origin.square().sum(1)).clamp(min=0).sqrt()
        picker = nint.Picker(len(probe), rng)
        picker.weighted(length, self.count(step, state.total_steps, len(probe)))
        return nint.Selection(picker.indices), state


def psnr(model, side=96):
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    points = torch.cartesian_prod(axis, axis)
    points = points[points.square().sum(1) < 1]
    with torch.no_grad():
        error = (model(points) - phantom(points)).square().mean()
    return -10 * math.log10(float(error) / 0.8**2)


def train(model, sampler, inputs, residual, steps, batch, seed):
    form = RowNorm(batch_size=batch) if sampler == "row-norm" else f"{sampler}:batch_size={batch}"
    teacher = nint.Teacher(model, inputs, residual=residual, sampler=form, total_steps=steps, seed=seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = teacher.next()
        optimizer.zero_grad()
        batch.loss().backward()
        optimizer.step()
        teacher.observe()
        schedule.step()
    return teacher.cost.forward_equivalents(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", dest="size", action="store_const", const="small", default="usual")
    parser.add_argument("--full", dest="size", action="store_const", const="full")
    size = parser.parse_args().size
    views, detectors, width, steps, seeds = {"small": (10, 24, 32, 40, 1), "usual": (30, 48, 64, 300, 1), "full": (60, 96, 128, 3000, 3)}[
        size
    ]
    origin, direction = rays(views, detectors)
    measured, samples, batch = line_integrals(origin, direction), detectors, max(views * detectors // 20, 16)
    inputs, residual = (origin, direction, measured), projection(samples)
    torch.manual_seed(0)
    models = [Network(width) for _ in range(seeds)]
    print(f"{views} views of {detectors} rays, {batch} rays a step, {steps} steps, mean of {seeds} start(s)")
    print(f"untrained: {statistics.mean(map(psnr, models)):.2f} dB")
    print(f"{'sampler':10s} {'dB':>6s} {'lowest':>7s} {'chosen from':>12s} {'CPU s':>8s}")
    for sampler in ("uniform", "row-norm", "int", "nint-fast", "nint"):
        found, spent, began = [], 0.0, time.process_time()
        for seed, model in enumerate(models):
            own = copy.deepcopy(model)
            spent = train(own, sampler, inputs, residual, steps, batch, seed)
            found.append(psnr(own))
        print(f"{sampler:10s} {statistics.mean(found):6.2f} {min(found):7.2f} {spent:12,.0f} {(time.process_time() - began) / seeds:8.1f}")
    print("dB of the density inside the disc; 'chosen from' counts rays evaluated only to choose (forward 1, backward 2, forward mode 3).")


if __name__ == "__main__":
    main()
