"""NINT in your own DistributedDataParallel loop: each process holds its own rows, points are chosen over those of all.

    torchrun --nproc-per-node 2 examples/distributed_loop.py

Prints the quality over all rows before and after, and how many points each process trained on.
"""

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import nint

SIDE, STEPS = 64, 40


def own_rows(rank, size):
    """This process's strip of an image that is computed here; yours may be read from a file."""
    first, last = SIDE * rank // size, SIDE * (rank + 1) // size
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE)[first:last], torch.linspace(-1, 1, SIDE), indexing="ij")
    values = 0.5 + 0.5 * torch.sin(20 * x * y) * torch.cos(6 * x + 3 * y)
    return torch.stack([y, x], dim=-1).reshape(-1, 2), values.reshape(-1, 1)


def decibels(model, coords, values):
    with torch.no_grad():
        sums = torch.tensor([float((model(coords) - values).square().sum()), float(len(values))])
    dist.all_reduce(sums)
    return float(-10 * torch.log10(sums[0] / sums[1]))


def train():
    rank, size = dist.get_rank(), dist.get_world_size()
    coords, values = own_rows(rank, size)
    network = nint.FIELDS.parse("siren:size=2x48").build(2, 1, torch.Generator().manual_seed(0))
    model = DistributedDataParallel(network)  # averages the gradients
    teacher = nint.Teacher(network, coords, values, "nint", total_steps=STEPS, group=dist.group.WORLD)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    before, trained = decibels(network, coords, values), 0
    for _ in range(STEPS):
        batch = teacher.next()
        prediction = model(batch.coords)
        loss = batch.loss(prediction)  # weighted so that the average over processes is the mean over the whole batch
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.observe(prediction)
        trained += len(batch.indices)
    after = decibels(network, coords, values)
    parts = [None] * size
    dist.all_gather_object(parts, trained)
    return before, after, parts


def main():
    dist.init_process_group("gloo")
    before, after, parts = train()
    if dist.get_rank() == 0:
        print(f"{before:.2f} dB before, {after:.2f} dB after {STEPS} steps of NINT; points by process: {parts}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
