"""Options that several commands share: how an input is read (each kind of signal takes some of them), and those of `nint fit`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from nint.cli.parsing import FRACTION, MAX_STEPS, MAX_THREADS, POSITIVE, Bounds, flag, number, positional, text, whole


@dataclass(frozen=True, kw_only=True)
class SignalOptions:
    """How the input is read.

    Attributes:
        kind: image, audio, shape, video, volume, array or points, where the ending does not tell
        max_side: images, video: reduce to this longest side first
        super_resolution: images: fit only the image reduced by this factor, measure on the original grid
        downsampling: images: box or bicubic, for super_resolution
        transparent: images: fit alpha as a channel, or leave pixels unobserved where it is 0 (unobserved)
        bit_depth: images: bits in use of the 16 of a channel, where the values do not tell (10, 12, 14, 16)
        start: audio, video: seconds to skip at the beginning
        duration: audio, video: seconds to fit
        in_dims: arrays, points: how many leading axes or columns are coordinates
        pool_size: shapes: number of points drawn near the surface at a time
        redraw_every: shapes: steps between two draws of the points, 0 to draw them once
        ground_truth: shapes: source of the ground truth, triangles (exact), or nearest (the rule of the reference code)
        target: shapes: sdf or occupancy
        iou_resolution: shapes: points per axis of the grid on which IoU is measured
        chamfer_samples: shapes: points of each surface for the Chamfer distance
        hold_out: fraction of the points to exclude from training and measure separately
        max_points: largest number of points that a file may claim beyond what its length proves (2^28 if left out)
    """

    kind: Annotated[str | None, *text("KIND")] = None
    max_side: Annotated[int | None, *whole("PX", 1, 2**20)] = None
    super_resolution: Annotated[int | None, *whole("FACTOR", 2, 2**10)] = None
    downsampling: Annotated[str | None, *text("FILTER")] = None
    transparent: Annotated[str | None, *text("RULE")] = None
    bit_depth: Annotated[int | None, *whole("BITS", 1, 32)] = None
    start: Annotated[float | None, *number("S", Bounds(0, 1e9))] = None
    duration: Annotated[float | None, *number("S", POSITIVE)] = None
    in_dims: Annotated[int | None, *whole("N", 1, 64)] = None
    pool_size: Annotated[int | None, *whole("N", 1, 2**26)] = None
    redraw_every: Annotated[int | None, *whole("STEPS", 0, MAX_STEPS)] = None
    ground_truth: Annotated[str | None, *text("RULE")] = None
    target: Annotated[str | None, *text("TARGET")] = None
    iou_resolution: Annotated[int | None, *whole("N", 2, 2**10)] = None
    chamfer_samples: Annotated[int | None, *whole("N", 1, 2**26)] = None
    hold_out: Annotated[float | None, *number("FRACTION", Bounds(0, 1, open_low=True, open_high=True))] = None
    max_points: Annotated[int | None, *whole("N", 1, 2**40)] = None


@dataclass(frozen=True)
class FitOptions(SignalOptions):
    """Fits a network to a signal, training at each step only on the points that teach it most.

    Attributes:
        input: file, or sample:NAME (nint list samples)
        recipe: source of the defaults: default (the fastest settings that were measured) or paper
        out: folder for the model, its checkpoint, record and pictures; nint-out/NAME if left out
        field: network, as NAME:SETTING=VALUE,... (nint list fields); the recipe's if left out
        size: hidden layers x width of the network, short for its setting size
        sampler: which points to train on, as NAME:SETTING=VALUE,... (nint list samplers); the recipe's if left out
        batch_share: fraction of the points in a batch, short for the sampler's setting batch_share
        batch_size: points in a batch, short for the sampler's setting batch_size
        steps: stop after this many steps
        seconds: stop after this long, evaluation during the run included (at most a tenth)
        psnr: stop at this quality in dB
        total_steps: steps along which schedules are laid out, and the limit without --steps or --seconds; the recipe's if left out
        lr: learning rate; the recipe's, or the network's own default, if left out
        lr_schedule: learning-rate schedule; the recipe's if left out
        warm_up: fraction of the run over which the learning rate rises; the recipe's if left out
        optimizer: adam, muon or sgd, with settings as NAME:SETTING=VALUE,...; the recipe's if left out
        loss: l2, l1 or huber
        seed: random seed of the initial weights and of the sampler
        device: auto, cpu, cuda or mps
        threads: CPU threads; the fastest number, measured for a second, if left out
        score_precision: precision of forwards that only score points: float32, or bf16 for their large matrix products
        compile: compile the network first (torch.compile; needs a C++ compiler), excluded from the training time
        resume: continue the run in the output folder
        force: replace the run in the output folder
        init: model to take the initial weights from
        eval_every: steps between full evaluations; about fifty over the run, estimates where full ones take long, if left out
        half: store the model in half precision
        max_kilobytes: also write OUT/model.nint of at most so many units of 1000 bytes, and choose the network for it (nint pack)
        json: also write the record to this file (- is standard output)
        tensorboard: also log to OUT/tensorboard for TensorBoard (needs nint[tensorboard])
        no_pictures: write no pictures of the result
        html: also write OUT/report.html, one page that opens without a network (needs nint[report])
        live: show picture, selected points and curve on a local page while it trains (needs nint[live])
        live_port: port of that page on 127.0.0.1; a free one if left out
        quiet: print errors only
    """

    input: Annotated[str, *positional("INPUT")]
    recipe: Annotated[str, *text("default|paper")] = "default"
    out: Annotated[str | None, *text("DIR")] = None
    field: Annotated[str | None, *text("FIELD")] = None
    size: Annotated[str | None, *text("LAYERSxWIDTH")] = None
    sampler: Annotated[str | None, *text("SAMPLER")] = None
    batch_share: Annotated[float | None, *number("FRACTION", FRACTION)] = None
    batch_size: Annotated[int | None, *whole("N", 1, 2**40)] = None
    steps: Annotated[int | None, *whole("N", 1, MAX_STEPS)] = None
    seconds: Annotated[float | None, *number("S", POSITIVE)] = None
    psnr: Annotated[float | None, *number("DB", Bounds(-1000, 1000))] = None
    total_steps: Annotated[int | None, *whole("N", 1, MAX_STEPS)] = None
    lr: Annotated[float | None, *number("RATE", POSITIVE)] = None
    lr_schedule: Annotated[str | None, *text("constant|cosine|exponential")] = None
    warm_up: Annotated[float | None, *number("FRACTION", Bounds(0, 1, open_high=True))] = None
    optimizer: Annotated[str | None, *text("OPTIMIZER")] = None
    loss: Annotated[str, *text("LOSS")] = "l2"
    seed: Annotated[int, *whole("N", 0, 2**62 - 1)] = 0
    device: Annotated[str, *text("DEVICE")] = "auto"
    threads: Annotated[int | None, *whole("N", 1, MAX_THREADS)] = None
    score_precision: Annotated[str, *text("float32|bf16")] = "float32"
    compile: Annotated[bool, *flag()] = False
    resume: Annotated[bool, *flag()] = False
    force: Annotated[bool, *flag()] = False
    init: Annotated[str | None, *text("MODEL")] = None
    eval_every: Annotated[int | None, *whole("N", 1, MAX_STEPS)] = None
    half: Annotated[bool, *flag()] = False
    max_kilobytes: Annotated[float | None, *number("KB", POSITIVE)] = None
    json: Annotated[str | None, *text("FILE")] = None
    tensorboard: Annotated[bool, *flag()] = False
    no_pictures: Annotated[bool, *flag()] = False
    html: Annotated[bool, *flag()] = False
    live: Annotated[bool, *flag()] = False
    live_port: Annotated[int | None, *whole("PORT", 1, 65535)] = None
    quiet: Annotated[bool, *flag()] = False


def signal_options(options: SignalOptions) -> dict[str, Any]:
    """The options that were given, as keyword arguments of `nint.open_signal`."""
    found = {field.name: getattr(options, field.name) for field in dataclasses.fields(SignalOptions)}
    return {name: value for name, value in found.items() if value is not None}
