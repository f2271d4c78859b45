"""What this machine can do at most, and how near a forward and a training step of SIREN come to it.

    python benchmarks/roofline.py [--sizes 5x256 5x128] [--points 65536] [--repeats 7] [--threads 1] [--out ROOFLINE.jsonl]

Everything runs on so many threads: rates are those of so many copies of the work at once, one thread each, as nint works.

Rates: matrix products [1024, width] x [width, width] and 1024^3 in float32 (as PyTorch does it by default, and as nint does it) and in
bf16; sine, cosine, and the fused sine with its derivative, of [1024, 256]
float32; reading and writing main memory. From these the least time of a point, each kind of work at
its own rate and one after the other, for PyTorch's operations do not overlap:

    forward        products of all layers + a fused sine for each neuron
    training step  three products a layer (two for the first, whose input has no gradient) + a fused sine with derivative for each neuron

Everything else (adding biases, multiplying gradients by cosines, the optimizer, Python) counts as nothing, so the bound cannot be reached.
Parts that are measured together alternate, and the figure is the median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from kernel import alternate
from machine import machine
from torch import Tensor

from nint.fields import FIELDS
from nint.fields.base import parse_size
from nint.machine.malloc import keep_freed_memory
from nint.machine.matmul import fast_matmul
from nint.machine.sines import SineKernel
from nint.machine.workers import share_out, workers
from nint.ntk.products import chunk_size_for, forward_rows
from nint.probe.cost import Cost
from nint.probe.objectives import L2
from nint.samplers import Selection
from nint.signals import GridCoords
from nint.training.gradient import accumulate_gradient

ROWS = 1024  # rows of a chunk at width 256
CHUNK = chunk_size_for(torch.device("cpu"))
LARGE = 1024
MEMORY_BYTES = 2**28
IN, OUT = 2, 3
Ways = dict[str, tuple[Callable[[], Any], float]]
LEAST_S = 0.02  # a way is repeated within a measurement until it takes as long


def product_flops(size: str) -> dict[str, float]:
    """Floating-point operations a point in the products of a SIREN: "forward" and "training step"."""
    layers, width = parse_size(size)
    first, rest = 2 * IN * width, 2 * ((layers - 1) * width * width + width * OUT)
    return {"forward": first + rest, "training step": 2 * first + 3 * rest}


def least_seconds(size: str, flops: float, sine_rate: float, pair_rate: float) -> dict[str, dict[str, float]]:
    """Least seconds a point of "forward" and "training step" at given rates.

    Args:
        size: Of the network.
        flops: Floating-point operations of products a second.
        sine_rate: Sines a second.
        pair_rate: Sines with their derivative a second.

    >>> bound = least_seconds("1x1", 1e3, 1e2, 1e2)
    >>> bound["forward"]
    {'products_s': 0.01, 'sines_s': 0.01, 'least_s': 0.02}
    """
    layers, width = parse_size(size)
    sines_s = {"forward": layers * width / sine_rate, "training step": layers * width / pair_rate}
    found = {}
    for what, amount in product_flops(size).items():
        products_s = amount / flops
        found[what] = {"products_s": products_s, "sines_s": sines_s[what], "least_s": products_s + sines_s[what]}
    return found


def _times(function: Callable[[], Any]) -> int:
    """How often a function is called so that it takes long enough to be timed."""
    function()
    start = time.perf_counter()
    function()
    return max(round(LEAST_S / max(time.perf_counter() - start, 1e-9)), 1)


def machine_rates(widths: list[int], repeats: int, threads: int = 1, memory_bytes: int = MEMORY_BYTES) -> dict[str, float]:
    """Products in flop/s by shape and arithmetic, sines and cosines a second, bytes a second; of so many threads together."""
    return rates([_ways(widths, memory_bytes) for _ in range(threads)], repeats)


def rates(copies: list[Ways], repeats: int) -> dict[str, float]:
    """Amount of work a second of each way.

    Args:
        copies: One for each thread, alike, each with memory of its own: name -> (function, amount of one call).
        repeats: Measurements, of which the median counts.
    """
    amounts: dict[str, float] = {}

    def together(name: str) -> Callable[[], None]:
        times = _times(copies[0][name][0])

        def many(function: Callable[[], Any]) -> Callable[[], None]:
            def run() -> None:
                for _ in range(times):
                    function()

            return run

        amounts[name] = len(copies) * times * copies[0][name][1]
        tasks = [many(copy[name][0]) for copy in copies]
        return lambda: share_out(tasks)

    seconds = alternate({name: together(name) for name in copies[0]}, repeats)
    return {name: amounts[name] / statistics.median(taken) for name, taken in seconds.items()}


def _ways(widths: list[int], memory_bytes: int) -> Ways:
    """What is timed, with memory of its own, and the amount of work of one call."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    ways: dict[str, tuple[Callable[[], Any], float]] = {}
    for rows, width in [*((ROWS, width) for width in widths), (LARGE, LARGE)]:
        a, b = random(rows, width), random(width, width)
        out, low_a, low_b = torch.empty(rows, width), a.bfloat16(), b.bfloat16()
        low_out = torch.empty_like(low_a)
        amount = 2.0 * rows * width * width
        shape = f"{rows}x{width}x{width}"
        ways[f"float32 default {shape}"] = (lambda a=a, b=b, out=out: torch.mm(a, b, out=out), amount)
        ways[f"float32 nint {shape}"] = (fast_matmul(lambda a=a, b=b, out=out: torch.mm(a, b, out=out)), amount)
        ways[f"bf16 {shape}"] = (lambda a=low_a, b=low_b, out=low_out: torch.mm(a, b, out=out), amount)
    x = random(ROWS, 256)  # the phases of a SIREN spread as widely
    y = torch.empty_like(x)
    ways["sines"] = (lambda: torch.sin(x, out=y), x.numel())
    ways["cosines"] = (lambda: torch.cos(x, out=y), x.numel())
    bias, value, slope, kernel = torch.zeros(256), x.clone(), torch.empty_like(x), SineKernel()
    # In place, as in training: what is worked on is soon the sine of a sine, whose time is that of any phase of the usual range.
    ways["fused sines"] = (lambda: kernel.value_(value, bias), x.numel())
    ways["fused sines with derivative"] = (lambda: kernel.slope_(value, bias, slope), x.numel())
    source = torch.zeros(memory_bytes // 4)
    target = torch.zeros_like(source)
    ways["memory bytes"] = (lambda: target.copy_(source), 2.0 * memory_bytes)
    return ways


def measured(size: str, points: int, repeats: int) -> dict[str, float]:
    """Seconds a point of a forward and of a training step (gradient, without the optimizer) over a pool, as the engine does them."""
    generator = torch.Generator().manual_seed(0)
    field = FIELDS.parse(f"siren:size={size}").build(IN, OUT, generator)
    coords = GridCoords((points // 256, 256))[:]
    values, everything, loss = torch.rand(len(coords), OUT, generator=generator), Selection(torch.arange(len(coords))), L2()

    def step() -> None:
        field.zero_grad(set_to_none=True)
        accumulate_gradient(field, coords, values, everything, loss, CHUNK, Cost())

    seconds = alternate({"forward": lambda: forward_rows(field, coords, CHUNK), "training step": step}, repeats)
    return {what: statistics.median(taken) / len(coords) for what, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["5x256", "5x128"])
    parser.add_argument("--points", type=int, default=2**16, help="of the pool that is measured; a multiple of 256")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory-mib", type=int, default=MEMORY_BYTES // 2**20, help="of each of the two blocks that are copied")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    keep_freed_memory()
    with workers(options.threads):
        widths = sorted({parse_size(size)[1] for size in options.sizes})
        found = machine_rates(widths, options.repeats, options.threads, options.memory_mib * 2**20)
        rows: list[dict[str, Any]] = [{"benchmark": "roofline: rates", "threads": options.threads, "rates_per_s": found}]
        for name, rate in found.items():
            print(f"{name:34s} {rate / 1e9:10.2f} G/s")
        for size in options.sizes:
            shape = f"{ROWS}x{parse_size(size)[1]}x{parse_size(size)[1]}"
            taken = measured(size, options.points, options.repeats)
            for kind in ("float32 nint", "bf16"):
                bound = least_seconds(size, found[f"{kind} {shape}"], found["fused sines"], found["fused sines with derivative"])
                for what, parts in bound.items():
                    reached = parts["least_s"] / taken[what]
                    row = {
                        "benchmark": f"roofline: {what}",
                        "size": size,
                        "points": options.points,
                        "rows": ROWS,
                        "threads": options.threads,
                        "products": kind,
                    }
                    rows.append(
                        {**row, **parts, "measured_s": taken[what], "share_of_bound_reached": reached, "measured_products": "float32 nint"}
                    )
                    bound_ns, products_ns, sines_ns, taken_ns = (
                        1e9 * value for value in (parts["least_s"], parts["products_s"], parts["sines_s"], taken[what])
                    )
                    least = f"least {bound_ns:7.0f} ns a point (products {products_ns:.0f}, sines {sines_ns:.0f})"
                    print(
                        f"{size} {what:13s} {kind:12s} {least}, measured {taken_ns:.0f} ns in float32: {reached:.0%} of the bound's speed"
                    )
    if options.out:
        with options.out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({**machine(), **row}) + "\n" for row in rows)


if __name__ == "__main__":
    main()
