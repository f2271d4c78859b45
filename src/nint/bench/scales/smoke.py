"""Sizes for a test: everything runs, nothing is learnt."""

from nint.bench.scales.sizes import Scale, Task

TARGETS = (("psnr", (4.0, 25.0, 30.0, 35.0)), ("ssim", (0.001, 0.8, 0.9)), ("lpips", (1.5, 0.2, 0.1)))

SCALE = Scale(
    name="smoke",
    about=("A test that everything runs: pictures of 32x32 pixels, networks of two layers of 16, a dozen steps. Its numbers say nothing.",),
    images=Task(
        1,
        "2x16",
        12,
        steps=12,
        checkpoints=(2, 6, 12),
        targets=TARGETS,
        evaluations=4,
        side=32,
        full_ms=3,
        chosen_ms=3,
        evaluation_ms=8,
    ),
    sizes=Task(
        1, "2x16", 6, steps=6, checkpoints=(2, 4, 6), targets=(("psnr", (4.0, 25.0)),), evaluations=3, side=16, full_ms=0.3, chosen_ms=0.3
    ),
    structures=Task(
        1,
        "2x16",
        12,
        seconds=0.06,
        checkpoints=(0.02, 0.04, 0.06),
        targets=(("psnr", (4.0, 25.0)),),
        evaluations=3,
        side=24,
        full_ms=3,
        chosen_ms=3,
    ),
    audio=Task(
        1, "2x16", 12, seconds=0.06, checkpoints=(0.02, 0.04, 0.06), evaluations=2, options=(("duration", 0.5),), full_ms=3, chosen_ms=3
    ),
    shapes=Task(
        1,
        "2x16",
        10,
        steps=10,
        checkpoints=(1, 2, 4, 6, 10),
        evaluations=1,
        options=(("pool_size", 256), ("iou_resolution", 12), ("chamfer_samples", 300)),
        full_ms=5,
        chosen_ms=5,
        evaluation_ms=60,
    ),
    super_resolution=Task(
        1,
        "2x16",
        12,
        steps=12,
        checkpoints=(12,),
        targets=(("psnr", (4.0, 20.0)),),
        evaluations=3,
        side=32,
        options=(("super_resolution", 2),),
        full_ms=3,
        chosen_ms=3,
    ),
    large=Task(
        1, "2x16", 12, steps=12, checkpoints=(12,), targets=(("psnr", (4.0, 30.0)),), evaluations=3, side=48, full_ms=4, chosen_ms=4
    ),
    minute_s=0.06,
)
