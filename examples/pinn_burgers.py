"""Burgers' equation by a physics-informed network: which points of space and time to put the residual on.

    python examples/pinn_burgers.py            # about a minute: viscosity 0.1 / pi, a small network
    python examples/pinn_burgers.py --small    # seconds, for a test that it runs: too short to say who is better
    python examples/pinn_burgers.py --full     # the usual benchmark, viscosity 0.01 / pi, three seeds; hours on two cores

u_t + u u_x = nu u_xx for x in [-1, 1], t in [0, 1]; u(0, x) = -sin(pi x), u(t, -1) = u(t, 1) = 0. The network N enters as
u = -sin(pi x) + t (1 - x^2) N(t, x), so that start and walls hold exactly and the residual is the whole loss.

Every method takes the same number of residual points a step, the same network, start weights and optimizer:

uniform, nint, nint-fast   nint's samplers on one pool of random points
RAD                        Wu, Zhu, Tan, Kartha, Lu 2023: every few hundred steps all points are drawn anew with density
                           p ~ |r|^k / mean |r|^k + c (k = c = 1), from many uniform candidates
R3                         Daw, Bu, Wang, Perdikaris, Karpatne 2023 (retain, resample, release): at each step points with |r| above the
                           mean stay, the others are replaced by uniform ones

The reference is the Cole-Hopf solution by Gauss-Hermite quadrature in float64; no network is involved.
"""

import argparse
import copy
import itertools
import math
import statistics
import time

import numpy as np
import torch
from torch import nn

import nint


class Ansatz(nn.Module):
    """(t, x) -> u, with start and walls built in."""

    def __init__(self, width, layers):
        super().__init__()
        sizes = [2] + [width] * layers
        hidden = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.Tanh())]
        self.net = nn.Sequential(*hidden, nn.Linear(width, 1))

    def forward(self, points):
        t, x = points[:, :1], points[:, 1:]
        return -torch.sin(math.pi * x) + t * (1 - x * x) * self.net(points)


def burgers(viscosity):
    """The residual, `[b, 1]`: what nint asks of a loss of one's own."""

    def residual(model, points):
        points = points.requires_grad_(True)
        u = model(points)
        (slope,) = torch.autograd.grad(u.sum(), points, create_graph=True)
        (second,) = torch.autograd.grad(slope[:, 1].sum(), points, create_graph=True)
        return slope[:, :1] + u * slope[:, 1:] - viscosity * second[:, 1:]

    return residual


def cole_hopf(t, x, viscosity, nodes=128):
    """The exact solution at `t`, `x` (arrays of one shape, t > 0), by Gauss-Hermite quadrature of the heat kernel."""
    z, weight = np.polynomial.hermite.hermgauss(nodes)
    shifted = x[..., None] - z * np.sqrt(4 * viscosity * t[..., None])
    exponent = -np.cos(np.pi * shifted) / (2 * np.pi * viscosity)
    heat = weight * np.exp(exponent - exponent.max(-1, keepdims=True))
    return -(heat * np.sin(np.pi * shifted)).sum(-1) / heat.sum(-1)


def uniform_points(count, rng):
    """`[count, 2]`, (t, x)."""
    return torch.rand(count, 2, generator=rng) * torch.tensor([1.0, 2.0]) - torch.tensor([0.0, 1.0])


def by_teacher(sampler, model, residual, settings, rng):
    """nint: a batch of a pool at each step."""
    pool = uniform_points(settings.pool, rng)
    form = f"{sampler}:batch_size={settings.points}"
    teacher = nint.Teacher(model, pool, residual=residual, sampler=form, total_steps=settings.steps)
    optimizer = settings.optimizer(model)
    for _ in range(settings.steps):
        batch = teacher.next()
        optimizer.zero_grad()
        batch.loss().backward()
        optimizer.step()
        teacher.observe()
        settings.schedule(optimizer)
    return teacher.cost.forward + 2 * teacher.cost.backward + 3 * teacher.cost.jvp


def by_rad(model, residual, settings, rng, k=1.0, c=1.0):
    """Residual-based adaptive distribution."""
    points, spent = uniform_points(settings.points, rng), 0
    optimizer = settings.optimizer(model)
    for step in range(settings.steps):
        if step and step % settings.rad_period == 0:
            candidates = uniform_points(settings.rad_candidates, rng)
            size = residual(model, candidates.clone()).detach().abs()[:, 0] ** k
            density = size / size.mean() + c
            points = candidates[torch.multinomial(density, settings.points, generator=rng)]
            spent += settings.rad_candidates
        optimizer.zero_grad()
        residual(model, points.clone()).square().mean().backward()
        optimizer.step()
        settings.schedule(optimizer)
    return spent


def by_r3(model, residual, settings, rng):
    """Retain, resample, release; the residuals of a step decide about the next one and cost nothing extra."""
    points = uniform_points(settings.points, rng)
    optimizer = settings.optimizer(model)
    for _ in range(settings.steps):
        found = residual(model, points.clone())
        optimizer.zero_grad()
        found.square().mean().backward()
        optimizer.step()
        settings.schedule(optimizer)
        size = found.detach().abs()[:, 0]
        retained = points[size > size.mean()]
        points = torch.cat([retained, uniform_points(settings.points - len(retained), rng)])
    return 0


class Settings:
    """What is the same for all methods."""

    def __init__(self, size, seeds=None):
        full = size == "full"
        self.viscosity = (0.01 if full else 0.1) / math.pi
        self.width, self.layers = (64, 3) if full else (24, 2)
        self.steps = {"small": 40, "usual": 1000, "full": 15_000}[size]
        self.points, self.pool = (1000, 20_000) if full else (100, 2000)
        self.rad_period, self.rad_candidates = (1000, 100_000) if full else (20, 2000)
        self.rate = 2e-3 if full else 1e-2
        self.seeds = max(seeds, 1) if seeds is not None else 3 if full else 1

    def optimizer(self, model):
        return torch.optim.Adam(model.parameters(), lr=self.rate)

    def schedule(self, optimizer):
        """Exponential decay to a twentieth over the run."""
        for group in optimizer.param_groups:
            group["lr"] *= 0.05 ** (1 / self.steps)


def error_of(model, viscosity):
    """Relative L2 error against Cole-Hopf on a grid of 50 times and 201 places."""
    t, x = np.meshgrid(np.linspace(0.02, 1, 50), np.linspace(-1, 1, 201), indexing="ij")
    exact = cole_hopf(t, x, viscosity)
    with torch.no_grad():
        found = model(torch.from_numpy(np.stack([t.ravel(), x.ravel()], 1)).float()).reshape(t.shape).double().numpy()
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


METHODS = {
    "uniform": lambda *args: by_teacher("uniform", *args),
    "RAD": by_rad,
    "R3": by_r3,
    "nint-fast": lambda *args: by_teacher("nint-fast", *args),
    "nint": lambda *args: by_teacher("nint", *args),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", dest="size", action="store_const", const="small", default="usual", help="40 steps")
    parser.add_argument("--full", dest="size", action="store_const", const="full", help="viscosity 0.01 / pi, 15,000 steps, three seeds")
    parser.add_argument("--seeds", type=int, help="starts of each method (default: 1; with --full 3)")
    options = parser.parse_args()
    settings = Settings(options.size, options.seeds)
    residual = burgers(settings.viscosity)
    torch.manual_seed(0)
    models = [Ansatz(settings.width, settings.layers) for _ in range(settings.seeds)]
    start = statistics.mean(error_of(model, settings.viscosity) for model in models)
    print(f"Burgers, viscosity {settings.viscosity * math.pi:g} / pi, {settings.points} residual points a step, {settings.steps} steps")
    print(f"relative L2 error against Cole-Hopf before training {start:.4f}; mean of {settings.seeds} start(s):")
    print(f"{'method':10s} {'error':>8s} {'worst':>8s} {'chosen from':>12s} {'CPU s':>8s}")
    for name, method in METHODS.items():
        errors, spent, began = [], 0, time.process_time()
        for seed, model in enumerate(models):
            own = copy.deepcopy(model)
            spent = method(own, residual, settings, torch.Generator().manual_seed(seed))
            errors.append(error_of(own, settings.viscosity))
        seconds = (time.process_time() - began) / len(models)
        print(f"{name:10s} {statistics.mean(errors):8.4f} {max(errors):8.4f} {spent:12,d} {seconds:8.1f}")
    print("'chosen from' counts residuals evaluated only to choose points (a backward counts 2, a forward-mode pass 3).")


if __name__ == "__main__":
    main()
