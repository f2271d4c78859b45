"""The tables of the full-size runs as they stand in the README (all pictures) and in docs/reproduce.md (each picture, Tables 3, 5, 8
and 9, and the NTK part).

    python benchmarks/full_size_tables.py [--runs benchmarks/results/full-size]

Writes tables.md into the folder of the runs. Seconds are those of `full_size_seconds.py`; empty where they were not
measured. A target that no row reached has no column.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from full_size_seconds import DEFAULT, inputs_of, rows_of, seconds_to

CHECKPOINTS = (250, 1000)
TARGETS = (25.0, 30.0)
STUDIED = (("psnr", 25.0), ("psnr", 27.5), ("psnr", 30.0), ("ssim", 0.6), ("ssim", 0.7), ("ssim", 0.8))

SHORTEST, LONGEST = 340, 660
"""Iterations of the runs of Tables 5 and 8."""

SPANS = ((1, 30), (31, 150), (151, LONGEST))
JPEG = "JPEG in the bytes of the weights"

Record = dict[str, Any]


def part(value: float | None) -> str:
    """A number from 0 to 1 with three places: ".839"; a dash where it was not measured."""
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def work(equivalents: float) -> str:
    """Forward equivalents, whole from 10 on."""
    return f"{equivalents:.1f}" if equivalents < 10 else f"{equivalents:.0f}"


def reached(record: Record, metric: str, value: float) -> Record | None:
    """The first evaluation at which a run has a value; LPIPS falls, the others rise."""
    return next((row for row in record["curve"] if row[metric] >= value), None)


def at(record: Record, step: int) -> Record:
    """The evaluation after a step."""
    found: Record = next(row for row in record["curve"] if row["step"] == step)
    return found


def head(names: list[str]) -> list[str]:
    """Heading and rule of a table whose first column has no name."""
    return [f"| {' | '.join(['', *names])} |".replace("|  |", "| |"), f"|---|{'---:|' * len(names)}"]


def label(row: str) -> str:
    """What a row is called."""
    return "**default recipe**, SIREN 5x256" if row == DEFAULT else f"`{row}`"


def order_of(rows: dict[str, Record]) -> list[str]:
    """`full`, `nint`, then by PSNR at the end, the default recipe last."""
    return sorted(rows, key=lambda row: (row == DEFAULT, row != "full", row != "nint", -rows[row]["psnr"]))


def _whole(seconds: list[float | None], place: int) -> str:
    found = seconds[place] if seconds else None
    return "–" if found is None else f"{found:,.0f}"


def summary(folder: Path, lines: list[Record]) -> str:
    """PSNR and SSIM at the end on every picture, and what 30 dB and all of it take on the first."""
    names = inputs_of(folder)
    runs = {name: rows_of(folder, name) for name in names}
    first = runs[names[0]]
    titles = [f"{name}: PSNR, SSIM" for name in names]
    short = names[0].rpartition("/")[2]
    costs = [f"steps to 30 dB ({short})", "forward equivalents", "seconds", "forward equivalents in all", "seconds in all"]
    out = head([*titles, *costs])
    for row in order_of(first):
        ends = [runs[name].get(row) for name in names]
        cells = ["" if end is None else f"{end['psnr']:.2f}, {part(end['ssim'])}" for end in ends]
        hit, seconds = reached(first[row], "psnr", 30.0), seconds_to(first, lines, row, names[0])
        cells += ["–"] * 3 if hit is None else [f"{hit['step']}", work(hit["forward_equivalents"]), _whole(seconds, 2)]
        cells += [work(first[row]["forward_equivalents"]), _whole(seconds, 0)]
        out.append(f"| {label(row)} | {' | '.join(cells)} |")
    ends = [jpeg_of(folder, name) for name in names]
    if any(ends):
        cells = ["" if end is None else f"{end['psnr']:.2f}, {part(end['ssim'])}" for end in ends]
        out.append(f"| {JPEG} | {' | '.join([*cells, *[''] * len(costs)])} |")
    return "\n".join(out) + "\n"


def jpeg_of(folder: Path, name: str) -> Record | None:
    """The JPEG of a picture that has at most the bytes of the weights; None where it was not made."""
    made = [record for record in finished(folder, "images/") if record["spec"]["method"] == "jpeg"]
    return next((record for record in made if name in record["spec"]["input"]), None)


def pictures(folder: Path, lines: list[Record], name: str) -> str:
    """Tables 1 and 2 of a picture."""
    rows = rows_of(folder, name)
    targets = [target for target in TARGETS if any(reached(record, "psnr", target) for record in rows.values())]
    to = ", ".join(f"{target:g}" for target in targets) + " dB"
    quality = [f"PSNR, SSIM, LPIPS after {step} iterations" if step == CHECKPOINTS[0] else f"after {step}" for step in CHECKPOINTS]
    out = head([*quality, f"iterations to {to}", f"forward equivalents to {to}", "in all", f"seconds to {to}", "in all"])
    for row in order_of(rows):
        record, hits = rows[row], [reached(rows[row], "psnr", target) for target in targets]
        seconds = seconds_to(rows, lines, row, name)
        times = [_whole(seconds, TARGETS.index(target) + 1) for target in targets]
        cells = [
            *checkpoint_cells(record, CHECKPOINTS),
            ", ".join("–" if hit is None else f"{hit['step']}" for hit in hits),
            ", ".join("–" if hit is None else work(hit["forward_equivalents"]) for hit in hits),
            work(record["forward_equivalents"]),
            ", ".join(times) if seconds else "",
            _whole(seconds, 0) if seconds else "",
        ]
        out.append(f"| {label(row)} | {' | '.join(cells)} |")
    jpeg = jpeg_of(folder, name)
    if jpeg is not None:
        quality = f"{jpeg['psnr']:.2f}, {part(jpeg['ssim'])}, {part(jpeg.get('lpips'))}"
        share = f"{jpeg['bytes'] / jpeg['bytes_allowed']:.2f}".removeprefix("0")
        out.append(f"| {JPEG} (quality {jpeg['quality']}: {share} of them) |  | {quality} |  |  |  |  |  |")
    return "\n".join(out) + "\n"


def studied(folder: Path) -> dict[str, Record]:
    """Sampler -> run of Tables 5 and 8, and of the study of the NTK part: the longest, with the evaluations of shorter ones.

    Runs of one seed take the same steps however long they are, since schedules are laid out for 5000.
    """
    ended = [*finished(folder, "images/0/"), *finished(folder, "kernel/0/")]
    found: dict[str, list[Record]] = {}
    for record in sorted(ended, key=lambda record: -record["steps"]):
        spec = record["spec"]
        if spec["recipe"] == "paper" and spec["sampler"].partition(":")[0] in ("nint", "nint-ablation"):
            found.setdefault(spec["sampler"], []).append(record)
    rows = {}
    for row in sorted(found, key=lambda row: (row != "nint", row)):
        curve = {given["step"]: given for record in found[row] for given in record["curve"]}
        rows[row] = found[row][0] | {"curve": [curve[step] for step in sorted(curve)]}
    return rows


def found_between(record: Record, metric: str, value: float) -> str:
    """The iterations after which a value may have been reached: from behind the last evaluation without it to the first with it.

    Empty where the run ended before others have it.
    """
    hit = reached(record, metric, value)
    if hit is None:
        return "" if record["steps"] < LONGEST else "–"
    before = max((given["step"] for given in record["curve"] if given["step"] < hit["step"]), default=0)
    return f"{hit['step']}" if before + 1 == hit["step"] else f"{before + 1} to {hit['step']}"


def settings(folder: Path) -> str:
    """Rows of Tables 5 and 8 that are run: iterations to each target, and work to the last of PSNR."""
    rows = {row: record for row, record in studied(folder).items() if not record["spec"]["group"].startswith("kernel")}
    if not rows:
        return ""
    goals = [f"{value:g} dB" if metric == "psnr" else f"SSIM {part(value).rstrip('0')}" for metric, value in STUDIED]
    out = head([*(f"iterations to {goals[0]}", *goals[1:]), "forward equivalents to 30 dB", f"PSNR after {SHORTEST}", f"after {LONGEST}"])
    for row, record in rows.items():
        last = reached(record, "psnr", 30.0)
        cells = [found_between(record, metric, value) for metric, value in STUDIED]
        cells.append("–" if last is None else work(last["forward_equivalents"]))
        ends = {given["step"]: f"{given['psnr']:.2f}" for given in record["curve"]}
        out.append(f"| `{row}` | {' | '.join([*cells, *(ends.get(step, '') for step in (SHORTEST, LONGEST))])} |")
    return "\n".join(out) + "\n"


def ntk_part(folder: Path) -> str:
    """What fills the NTK part, against error alone at the same iterations: means over evaluations; empty without that row."""
    from nint.bench.kernel.variants import NOTHING

    rows = studied(folder)
    plain, names = rows.get(NOTHING), ("nint", *(row for row, record in rows.items() if record["spec"]["group"].startswith("kernel")))
    if plain is None:
        return ""
    spans = [f"dB against error alone, iterations {first} to {last}" if first == 1 else f"{first} to {last}" for first, last in SPANS]
    out = head(
        [*spans, "SSIM, the last of these", "iterations to 30 dB", "to SSIM .8", "forward equivalents to 30 dB", f"PSNR after {LONGEST}"]
    )
    for row in names:
        last = reached(rows[row], "psnr", 30.0)
        cells = [f"{ahead(rows[row], plain, 'psnr', *span):+.2f}" for span in SPANS] if row != NOTHING else ["0"] * len(SPANS)
        cells.append(f"{ahead(rows[row], plain, 'ssim', *SPANS[-1]):+.4f}" if row != NOTHING else "0")
        cells += [found_between(rows[row], "psnr", 30.0), found_between(rows[row], "ssim", 0.8)]
        cells += ["–" if last is None else work(last["forward_equivalents"]), f"{at(rows[row], LONGEST)['psnr']:.2f}"]
        out.append(f"| `{row}` | {' | '.join(cells)} |")
    return "\n".join(out) + "\n"


def ahead(record: Record, other: Record, metric: str, first: int, last: int) -> float:
    """Mean difference of two runs over the evaluations from one iteration to another, which they have in common."""
    theirs = {row["step"]: row[metric] for row in other["curve"]}
    found = [row[metric] - theirs[row["step"]] for row in record["curve"] if row["step"] in theirs and first <= row["step"] <= last]
    return sum(found) / len(found)


def finished(folder: Path, group: str) -> list[Record]:
    """Records of the finished runs whose group starts so."""
    from nint.bench.store import Store

    return [record for record in Store(folder).records().values() if record["spec"]["group"].startswith(group) and not record["error"]]


def checkpoint_cells(record: Record, steps: tuple[int, ...]) -> list[str]:
    """PSNR, SSIM and LPIPS after each number of steps."""
    found = [at(record, step) for step in steps]
    return [f"{each['psnr']:.2f}, {part(each['ssim'])}, {part(each.get('lpips'))}" for each in found]


def super_resolution(folder: Path) -> str:
    """Table 9: networks by PSNR at the end, then interpolation; empty without a network."""
    rows = finished(folder, "table9/0/")
    if all(record["spec"]["method"] for record in rows):
        return ""
    out = head(
        [
            f"PSNR, SSIM, LPIPS after {CHECKPOINTS[0]} iterations",
            f"after {CHECKPOINTS[1]}",
            "iterations to 20 dB",
            "forward equivalents to 20 dB",
        ]
    )
    for record in sorted(rows, key=lambda record: (bool(record["spec"]["method"]), -record["psnr"])):
        spec = record["spec"]
        named = spec["method"] or (DEFAULT if spec["recipe"] == "default" else spec["sampler"])
        cells = checkpoint_cells(record, CHECKPOINTS)
        hit = reached(record, "psnr", 20.0)
        if spec["method"]:
            cells = ["", cells[1], "", ""]
        else:
            cells += ["–", "–"] if hit is None else [f"{hit['step']}", work(hit["forward_equivalents"])]
        out.append(f"| {label(named)} | {' | '.join(cells)} |")
    return "\n".join(out) + "\n"


def sizes(folder: Path) -> str:
    """Table 3: `full` and `nint` for each size of the network."""
    from nint.fields import FIELDS

    rows = finished(folder, "table3/0/")
    steps = (500, 1000)
    out = head([f"PSNR, SSIM, LPIPS after {steps[0]} iterations", f"after {steps[1]}", "iterations to 20 dB", "to 25 dB"])
    for record in sorted(rows, key=lambda record: (_weights(FIELDS.parse(record["spec"]["field"])), record["spec"]["sampler"])):
        hits = [reached(record, "psnr", target) for target in (20.0, 25.0)]
        cells = checkpoint_cells(record, steps) + ["–" if hit is None else f"{hit['step']}" for hit in hits]
        out.append(f"| {record['spec']['field'].rpartition('=')[2]}, `{record['spec']['sampler']}` | {' | '.join(cells)} |")
    return "\n".join(out) + "\n" if rows else ""


def _weights(spec: Any) -> int:
    return int(spec.parameter_count(2, 3) or 0)


def page(folder: Path) -> str:
    """The file tables.md."""
    lines = [json.loads(line) for line in (folder / "seconds.jsonl").read_text().splitlines()]
    parts = [f"## All\n\n{summary(folder, lines)}", *(f"## {name}\n\n{pictures(folder, lines, name)}" for name in inputs_of(folder))]
    others = {"Tables 5 and 8": settings(folder), "What fills the NTK part": ntk_part(folder)}
    others |= {"Table 9": super_resolution(folder), "Table 3": sizes(folder)}
    return "\n".join([*parts, *(f"## {title}\n\n{text}" for title, text in others.items() if text)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/results/full-size"))
    asked = parser.parse_args()
    (asked.runs / "tables.md").write_text(page(asked.runs))


if __name__ == "__main__":
    main()
