"""`nint inspect` of a dataset of fields."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

_MOST = 10


def show_dataset(path: Path) -> int:
    """Prints what a dataset holds, how well its fields fit, and the worst of them.

    Args:
        path: The folder.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: for a dataset that cannot be read.
    """
    from nint.cli.show import Show
    from nint.many.described import failures_told, settings_told
    from nint.many.opened import open_dataset
    from nint.many.statistics import spread, worst
    from nint.report.words import duration, memory, metric, metric_label
    from nint.runs.contents import DATASET, FAILED

    dataset, show = open_dataset(path), Show()
    index = dataset.index
    columns = {name: index.column(name).to_pylist() for name in ("id", "kind", "shape", "field", "split", "seconds", "shard")}
    shards = sorted(set(columns["shard"]))
    size = sum((path / name).stat().st_size for name in shards if (path / name).is_file())
    failed, settings = failures_told(path), settings_told(path)
    damaged = [name for name, found in ((DATASET, settings), (FAILED, failed)) if found is None]
    show.facts(
        [
            ("dataset", f"{path}, {len(dataset):,} fields in {len(shards):,} shards, {memory(size)}"),
            ("kinds", _counted(columns["kind"])),
            ("shapes", _counted("x".join(map(str, shape)) for shape in columns["shape"])),
            ("fields", _counted(columns["field"])),
            ("splits", _counted(columns["split"])),
            ("training", f"{duration(sum(columns['seconds']))} in all" if len(dataset) else ""),
            *((f"setting {name}", str(value)) for name, value in (settings or {}).items()),
            ("failed", f"{len(failed):,}" if failed else ""),
            ("damaged", " and ".join(damaged)),
        ]
    )
    values = {name: [math.nan if one is None else one for one in index.column(name).to_pylist()] for name in dataset.metrics}
    rows = [{"metrics": {name: values[name][place] for name in values}} for place in range(len(dataset))]
    found = spread(rows)
    if found:
        show.line()
        header = ("metric", "lowest", "5 %", "median", "95 %", "highest")
        show.table(header, [(metric_label(name), *(metric(name, one) for one in numbers)) for name, numbers in found.items()])
        name = next(iter(found))
        show.line()
        pairs = list(zip(columns["id"], values[name], strict=True))
        show.table((f"worst by {metric_label(name)}", ""), [(id, metric(name, one)) for id, one in worst(pairs, name, _MOST)])
    for one in (failed or [])[:_MOST]:
        show.line(f"failed: {one['id']}: {one['error']}")
    return 0


def _counted(values: Any) -> str:
    counts = Counter(values)
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.most_common(5))
    return shown + (f" and {len(counts) - 5:,} others" if len(counts) > 5 else "")
