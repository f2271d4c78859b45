"""The paper's own sizes, for a GPU."""

from nint.bench.scales.sizes import Scale, Task

TARGETS = (("psnr", (25.0, 30.0, 35.0)), ("ssim", (0.8, 0.9)), ("lpips", (0.2, 0.1)))

SCALE = Scale(
    name="paper",
    about=("The paper's own sizes. Where it does not give a number of images, clips or meshes, ours is in the list of inputs.",),
    images=Task(4, "5x256", 5000, steps=5000, checkpoints=(250, 1000, 5000), targets=TARGETS, evaluations=150, side=512),
    sizes=Task(1, "5x256", 5000, steps=3000, checkpoints=(500, 1000, 2500), targets=(("psnr", (25.0,)),), evaluations=150, side=512),
    structures=Task(1, "5x256", 5000, seconds=400.0, checkpoints=(20, 60, 120), targets=(("psnr", (25.0,)),), evaluations=150, side=512),
    audio=Task(8, "5x256", 5000, seconds=15.0, checkpoints=(3, 10, 15), evaluations=60, options=(("duration", 2.0),)),
    shapes=Task(
        1,
        "5x256",
        10_000,
        steps=10_000,
        checkpoints=(500, 1000, 2000, 5000, 10_000),
        evaluations=20,
        options=(("pool_size", 50_000), ("iou_resolution", 256)),
    ),
    super_resolution=Task(
        8, "5x256", 5000, steps=1000, checkpoints=(1000,), targets=(("psnr", (20.0,)),), side=512, options=(("super_resolution", 2),)
    ),
    large=Task(4, "5x256", 5000, steps=1000, checkpoints=(1000,), targets=(("psnr", (30.0,)),), side=1024),
    minute_s=60.0,
)
