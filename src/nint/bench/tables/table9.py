"""Table 9: super-resolution."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import INTERPOLATED, ours, paper_rows

TABLE = PaperTable(
    name="table9",
    caption="Super-resolution by 2: fitted to the downsampled image, measured on the image itself.",
    task="super_resolution",
    inputs=("div2k",),
    rows=(*paper_rows("table9"), *ours(), *INTERPOLATED),
    remarks=(
        "Downsampling is the mean of areas of 2x2 pixels (box).",
        "Networks see both images from corner to corner, as in the paper, so that the areas' means lie up to half a pixel off; "
        "interpolation with pixel centres aligned has no such shift.",
    ),
)
