"""Table 5: hyper-parameters of NINT."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import Row, paper_rows

TABLE = PaperTable(
    name="table5",
    caption="Hyper-parameters of NINT on images (alpha: refresh_interval, xi: random_share, lambda: decay_rate): what a quality takes.",
    task="hyper_parameters",
    inputs=("kodak", "div2k"),
    rows=(*paper_rows("table5"), Row("full", printed_in="table8", note="full training, which the paper has in Table 8.")),
    runs_of="images",
)
