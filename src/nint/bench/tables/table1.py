"""Table 1: images after a fixed number of iterations."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import AUTHORS_OWN, JPEG, ours, paper_rows

TABLE = PaperTable(
    name="table1",
    caption="Images: quality after a fixed number of iterations, for every sampling strategy.",
    task="images",
    inputs=("kodak", "div2k"),
    rows=(*paper_rows("table1"), *AUTHORS_OWN, *ours(), JPEG),
    runs_of="images",
)
