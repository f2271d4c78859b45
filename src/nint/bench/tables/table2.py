"""Table 2: what a PSNR takes on images."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import AUTHORS_OWN, JPEG, ours, paper_rows

TABLE = PaperTable(
    name="table2",
    caption="Images: iterations, seconds and FLOPs to a PSNR, for every sampling strategy.",
    task="images",
    inputs=("kodak", "div2k"),
    rows=(*paper_rows("table2"), *AUTHORS_OWN, *ours(), JPEG),
    runs_of="images",
)
