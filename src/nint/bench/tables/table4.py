"""Table 4: network structures."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import paper_rows

TABLE = PaperTable(
    name="table4",
    caption="Network structures: PSNR after a fixed time, and what 25 dB takes, with full training and with NINT.",
    task="structures",
    inputs=("image:kodim15",),
    rows=paper_rows("table4"),
    pairs=True,
    remarks=(
        "Every network is trained at 1e-4, as in the paper, which is not the rate of all of their authors.",
        "The paper does not name the image; its SIREN with NINT has the 32.40 dB of Fig. 3, which shows kodim15.",
    ),
)
