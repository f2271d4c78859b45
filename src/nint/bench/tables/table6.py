"""Table 6: audio after a fixed time."""

from nint.bench.tables.paper import PaperTable
from nint.bench.tables.rows import ours, paper_rows

TABLE = PaperTable(
    name="table6",
    caption="Speech: quality after a fixed time; schedule=step is INT's growing batch.",
    task="audio",
    inputs=("speech",),
    rows=(*paper_rows("table6"), *ours()),
    remarks=("EVOS runs without crossover and cross-frequency supervision, which need a picture.",),
)
