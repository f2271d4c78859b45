"""Table 3: networks of several sizes."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import paper_rows

TABLE = PaperTable(
    name="table3",
    caption="Network sizes: PSNR after a fixed number of iterations, and what 25 dB takes, with full training and with NINT.",
    task="sizes",
    inputs=("image:div2k/07",),
    rows=paper_rows("table3"),
    pairs=True,
    remarks=(
        "The paper does not name the image; ours is that of its Fig. 5.",
        "The paper's caption calls the last column the time of 3000 iterations, its text the time to 25 dB; ours is the time to 25 dB.",
    ),
)
