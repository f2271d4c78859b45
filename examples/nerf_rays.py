"""A small radiance field from posed views: rays with jittered samples, and two inputs a ray.

    python examples/nerf_rays.py            # about a minute
    python examples/nerf_rays.py --small    # seconds, for a test that it runs: too short to say who is better
    python examples/nerf_rays.py --full     # more and larger views, three seeds; hours on two cores

The scene is three soft coloured balls, rendered from their formula with 192 samples a ray; the network never sees it but through pixels.
While training, the samples of a ray are jittered, so the network is random: samplers that use the kernel refuse it and say so, all
others work. `int` scores in evaluation mode, where the samples stand still.

uniform, nint-fast, int   nint's samplers, on rays; coords is a tuple (origins, directions)
egra                      the field's own rule, EGRA-NeRF (Gai et al. 2023): rays through edges of the views are a little more probable
"""

import argparse
import copy
import math
import statistics
import time

import torch
from torch import nn

import nint

NEAR, FAR = 1.2, 3.2
BALLS = [  # centre, radius, colour, density
    ((0.0, 0.0, 0.0), 0.45, (0.9, 0.3, 0.2), 12.0),
    ((0.45, 0.25, 0.1), 0.2, (0.2, 0.8, 0.3), 18.0),
    ((-0.3, -0.3, 0.35), 0.15, (0.2, 0.3, 0.95), 25.0),
]


def scene(points):
    """Colour `[m, 3]` and density `[m, 1]` of the true scene; one ball is striped."""
    colour, density = torch.zeros(len(points), 3), torch.zeros(len(points), 1)
    for centre, radius, shade, strength in BALLS:
        away = points - torch.tensor(centre)
        here = strength * torch.sigmoid(40 * (radius - away.norm(dim=1, keepdim=True)))
        stripes = 1 + 0.3 * torch.sin(14 * away[:, 2:])
        colour, density = colour + here * stripes * torch.tensor(shade), density + here
    return (colour / density.clamp(min=1e-6)).clamp(0, 1), density


def render(function, origin, direction, samples, jitter):
    """Colours `[n, 3]` of rays on black, by the usual quadrature of volume rendering."""
    edges = torch.linspace(NEAR, FAR, samples + 1)
    width = (FAR - NEAR) / samples
    place = torch.rand(len(origin), samples) if jitter else torch.full((len(origin), samples), 0.5)
    depth = edges[:-1] + place * width
    points = origin[:, None] + depth[..., None] * direction[:, None]
    colour, density = function(points.reshape(-1, 3))
    colour, density = colour.reshape(len(origin), samples, 3), density.reshape(len(origin), samples)
    optical = density * width
    before = torch.cumsum(optical, 1) - optical
    weight = torch.exp(-before) * (1 - torch.exp(-optical))
    return (weight[..., None] * colour).sum(1)


class Field(nn.Module):
    """(origins, directions) -> colours; sample places are jittered while training."""

    def __init__(self, width, samples):
        super().__init__()
        self.samples = samples
        self.register_buffer("frequencies", 4 * torch.randn(3, width // 2))
        self.net = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 4))

    def at(self, points):
        phase = points @ self.frequencies
        out = self.net(torch.cat([torch.sin(phase), torch.cos(phase)], 1))
        return torch.sigmoid(out[:, :3]), nn.functional.softplus(out[:, 3:] - 1)

    def forward(self, origin, direction):
        return render(self.at, origin, direction, self.samples, jitter=self.training)


def view(azimuth, height, side):
    """Rays of a camera that looks at the middle, row by row."""
    eye = 2.2 * torch.tensor([math.cos(azimuth) * math.cos(height), math.sin(azimuth) * math.cos(height), math.sin(height)])
    forward = -eye / eye.norm()
    right = torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0]))
    right = right / right.norm()
    up = torch.linalg.cross(right, forward)
    axis = ((torch.arange(side) + 0.5) / side * 2 - 1) * 0.36
    down, across = torch.meshgrid(-axis, axis, indexing="ij")
    direction = forward + across.reshape(-1, 1) * right + down.reshape(-1, 1) * up
    return eye.expand(side * side, 3).clone(), direction / direction.norm(dim=1, keepdim=True)


def psnr(model, rays, colours):
    model.eval()
    with torch.no_grad():
        error = (model(*rays) - colours).square().mean()
    model.train()
    return -10 * math.log10(float(error))


def train(model, sampler, rays, colours, grid, steps, batch, seed):
    torch.manual_seed(seed)  # of the jitter
    teacher = nint.Teacher(model, rays, colours, f"{sampler}:batch_size={batch}", total_steps=steps, seed=seed, grid=grid)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = teacher.next()
        loss = batch.loss(model(*batch.coords))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.observe()
        schedule.step()
    return teacher.cost.forward


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", dest="size", action="store_const", const="small", default="usual")
    parser.add_argument("--full", dest="size", action="store_const", const="full")
    size = parser.parse_args().size
    views, side, width, samples, steps, seeds = {
        "small": (3, 12, 32, 8, 20, 1),
        "usual": (8, 24, 64, 24, 300, 1),
        "full": (16, 64, 128, 48, 3000, 3),
    }[size]
    cameras = [view(2 * math.pi * number / views, 0.3 + 0.3 * (number % 2), side) for number in range(views)]
    rays = tuple(torch.cat(parts) for parts in zip(*cameras, strict=True))
    colours = render(scene, *rays, 192, jitter=False)
    unseen = view(0.4, 0.45, side)
    seen_there = render(scene, *unseen, 192, jitter=False)
    torch.manual_seed(0)
    models = [Field(width, samples) for _ in range(seeds)]
    batch = max(len(colours) // 40, 32)
    print(f"{views} views of {side}x{side} rays, {samples} jittered samples a ray, {batch} rays a step, {steps} steps, {seeds} start(s)")
    try:
        nint.Teacher(models[0], rays, colours, "nint", total_steps=steps)
    except nint.UnsupportedFieldError as error:
        print(f"nint: {error}")
    print(f"untrained: {statistics.mean(psnr(model, unseen, seen_there) for model in models):.2f} dB on a view that is not trained on")
    print(f"{'sampler':10s} {'dB':>6s} {'lowest':>7s} {'chosen from':>12s} {'CPU s':>8s}")
    for sampler in ("uniform", "egra", "int", "nint-fast"):
        found, spent, began = [], 0, time.process_time()
        for seed, model in enumerate(models):
            own = copy.deepcopy(model)
            spent = train(own, sampler, rays, colours, (views * side, side), steps, batch, seed)
            found.append(psnr(own, unseen, seen_there))
        print(f"{sampler:10s} {statistics.mean(found):6.2f} {min(found):7.2f} {spent:12,d} {(time.process_time() - began) / seeds:8.1f}")
    print("dB on the view that is not trained on; 'chosen from' counts rays rendered only to choose.")


if __name__ == "__main__":
    main()
