"""How fast the chunked kernels are against the plain full-batch way, side by side in one process.

    python benchmarks/kernel.py [--side 256] [--size 5x256] [--repeats 5] [--out benchmarks/results/kernel.jsonl]

The plain way is a SIREN as it is commonly written (`sin(omega_0 * linear(x))`, the same weights), `model(x)` over all points with
autograd, and `torch.func.vjp` then `jvp` over all points. The two ways
alternate, so that a slow minute of the machine hits both; the figure is the ratio of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from machine import machine
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp

from nint.fields import FIELDS
from nint.machine.malloc import keep_freed_memory
from nint.machine.matmul import matmul_backend
from nint.ntk.products import forward_rows, resolve_chunk_size
from nint.probe.cost import Cost
from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers import Selection
from nint.signals import GridCoords, Pool
from nint.training.gradient import accumulate_gradient


def alternate(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each way, taken in turn; one round of warm-up is thrown away."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


class PlainSine(nn.Module):
    """A sine layer as it is commonly written."""

    def __init__(self, linear: nn.Linear, omega_0: float) -> None:
        super().__init__()
        self.linear, self.omega_0 = linear, omega_0

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega_0 * self.linear(x))


def plain_siren(field: nn.Sequential) -> nn.Module:
    """The same network, weights shared."""
    return nn.Sequential(*[PlainSine(layer.linear, layer.omega_0) if hasattr(layer, "omega_0") else layer for layer in field])


def plain_step(field: nn.Module, coords: Tensor, values: Tensor) -> None:
    field.zero_grad(set_to_none=True)
    (field(coords) - values).square().mean().backward()


def plain_ntk_score(field: nn.Module, coords: Tensor, values: Tensor) -> Tensor:
    params = {name: p.detach() for name, p in field.named_parameters()}

    def predict(parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(field, parameters, (coords,))

    prediction, pull = vjp(predict, params)
    (gradient,) = pull((prediction - values) * (2 / values.shape[1]))
    return jvp(predict, (params,), (gradient,))[1].norm(dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--size", default="5x256")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chunk-size", type=int)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    field = FIELDS.parse(f"siren:size={options.size}").build(2, 3, generator)
    coords = GridCoords((options.side, options.side))[:]
    values = torch.rand(len(coords), 3, generator=generator)
    chunk = resolve_chunk_size(options.chunk_size, coords.device)
    everything = Selection(torch.arange(len(coords)))
    loss = L2()

    def our_step() -> None:
        field.zero_grad(set_to_none=True)
        accumulate_gradient(field, coords, values, everything, loss, chunk, Cost())

    def our_score() -> Tensor:
        probe = Probe(field, Pool(coords, values), loss, chunk)
        return probe.jvp(probe.gradient()).norm(dim=1)

    model = plain_siren(field)
    keep_freed_memory()

    def plain_forward() -> None:
        with torch.no_grad():
            model(coords)

    pairs = {
        "forward": (lambda: forward_rows(field, coords, chunk), plain_forward, 2.2),
        "training step": (our_step, lambda: plain_step(model, coords, values), 1.7),
        "NTK score": (our_score, lambda: plain_ntk_score(model, coords, values), 5.0 if matmul_backend(coords.device) == "onednn" else 3.0),
    }
    for name, (ours, plain, goal) in pairs.items():
        seconds = alternate({"ours": ours, "plain": plain}, options.repeats)
        medians = {way: statistics.median(values) for way, values in seconds.items()}
        row = {
            "benchmark": f"kernel: {name}",
            "side": options.side,
            "size": options.size,
            "chunk_size": chunk,
            "ours_s": medians["ours"],
            "plain_s": medians["plain"],
            "ratio": medians["plain"] / medians["ours"],
            "ratio_of_minima": min(seconds["plain"]) / min(seconds["ours"]),
            "goal": goal,
            "seconds": seconds,
            **machine(),
        }
        print(f"{name:14s} ours {row['ours_s']:.3f} s  plain {row['plain_s']:.3f} s  ratio {row['ratio']:.2f} (goal {goal})")
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
