"""Table 10: a large image."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import ours, paper_rows

TABLE = PaperTable(
    name="table10",
    caption="Large images: quality after a fixed number of iterations, and what 30 dB takes.",
    task="large",
    inputs=("ffhq",),
    rows=(*paper_rows("table10"), *ours()),
)
