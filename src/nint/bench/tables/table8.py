"""Table 8: batch share, scoring interval and batch schedule of NINT."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import paper_rows

TABLE = PaperTable(
    name="table8",
    caption="Batch share, scoring interval and batch schedule of NINT on images: what a quality takes.",
    task="hyper_parameters",
    inputs=("kodak", "div2k"),
    rows=paper_rows(
        "table8", notes={"nint:interval=every-5": 'the paper\'s "dense2": every other step by its text, every fifth by its code.'}
    ),
    runs_of="images",
)
