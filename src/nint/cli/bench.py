"""`nint bench`: the paper's tables and figures, from their runs to their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nint.cli.parsing import MAX_SEEDS, MAX_THREADS, command_line, flag, positionals, text, whole
from nint.errors import UsageError

if TYPE_CHECKING:
    from nint.bench.suite import Suite

_LIST = "list"


@dataclass(frozen=True)
class BenchOptions:
    """Makes tables and figures of the paper: runs what OUT does not hold yet, and writes ours beside the published numbers.

    The same command goes on after an interruption; finished runs are never repeated, and failed ones are tried again.

    Attributes:
        names: table1 to table10, fig1 to fig10, all of them (all), kernel (what the kernel is worth), or what they are (list)
        scale: smoke (to try), cpu (reduced, for two CPU cores), full-size (the paper's images, hours each) or paper (all of it, for a GPU)
        data: folder that holds Kodak, DIV2K, LibriSpeech, Stanford or FFHQ files (default: what OUT began with, else samples)
        out: folder for runs.jsonl, tables and figures (default: nint-bench/SCALE)
        seeds: runs of each row on each input, with the seeds 0, 1, ...
        workers: processes on this machine that share the runs; for budgets of steps
        scheduler: Dask scheduler whose workers share the runs, such as tcp://host:8786; for budgets of steps
        threads: CPU threads of each run
        html: also write OUT/report.html
        list: show what NAME can be, with the number of runs and about how long they take
    """

    names: Annotated[tuple[str, ...], *positionals("NAME")] = ()
    scale: Annotated[str, *text("SCALE")] = "cpu"
    data: Annotated[str | None, *text("DIR")] = None
    out: Annotated[str | None, *text("DIR")] = None
    seeds: Annotated[int, *whole("N", 1, MAX_SEEDS)] = 1
    workers: Annotated[int, *whole("N", 1, MAX_THREADS)] = 1
    scheduler: Annotated[str | None, *text("ADDRESS")] = None
    threads: Annotated[int | None, *whole("N", 1, MAX_THREADS)] = None
    html: Annotated[bool, *flag()] = False
    list: Annotated[bool, *flag()] = False


def run(options: BenchOptions) -> int:
    """Runs the command and returns its exit code.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    from nint.bench.execute import run_all
    from nint.bench.scales.scales import scale_named
    from nint.bench.store import Store
    from nint.bench.suite import Suite, find_inputs, names_of, remember_inputs
    from nint.cli.choices import use_threads
    from nint.cli.interrupts import Interrupts
    from nint.cli.progress import runs_bar
    from nint.cli.show import Show, complain
    from nint.cli.tables import after, show_table
    from nint.runs.contents import BENCH, of_bench
    from nint.runs.folder import OutputFolder

    listing = options.list or _LIST in options.names
    names = names_of([name for name in options.names if name != _LIST] or (["all"] if listing else []))
    scale = scale_named(options.scale)
    if options.seeds < 1:
        raise UsageError(f"--seeds {options.seeds} must be at least 1.")
    out, show, command = Path(options.out or f"nint-bench/{scale.name}"), Show(), command_line(options, "bench")
    suite = Suite(names, scale, find_inputs(options.data, out), options.seeds, Store(out))
    suite.check_parallel(options.workers, options.scheduler)
    if listing:
        _list(show, suite)
        return 0
    use_threads(options.threads)
    if options.html:
        from nint.report.place import check_target

        check_target(out)
    with OutputFolder(out, BENCH, of_bench(names, report=options.html), (suite.inputs.data,)):
        suite.store = Store(out)  # again: another process may have written before the folder was locked
        show.facts(_facts(suite, out))
        for problem in suite.store.problems:
            complain(problem)
        remember_inputs(suite.inputs, out)
        done = 0
        with Interrupts() as interrupts:
            for name in names:
                left = suite.left(name)
                with runs_bar(len(suite.left()) + done) as told:
                    run_all(
                        left,
                        suite.store,
                        workers=options.workers,
                        scheduler=options.scheduler,
                        threads=options.threads,
                        command=command,
                        progress=after(done, told),
                        interrupted=interrupts,
                    )
                done += len(left)
                if interrupts():
                    show.line(f"Stopped with {len(suite.left()):,} runs left; go on with the same command: {command}")
                    return interrupts.exit_code or 1
                written = suite.write(name, command)
                data = suite.data(name, command)
                if data is not None:  # figures are looked at
                    show_table(data, 240)
                show.line(f"{out}: {', '.join(path.name for path in written) or f'nothing could be written for {name}'}")
        show.line(f"{out}: {suite.write_claims(command).name}, what this says of the paper's claims")
        failed = suite.failed()
        for spec, error in failed:
            show.line(f"failed: {spec.title}: {error}")
        if options.html:
            from nint.cli.report import show_report
            from nint.report.page import write_report

            show_report(write_report(out))
    return 1 if failed and len(failed) == len(suite.runs) else 0


def _facts(suite: Suite, out: Path) -> list[tuple[str, str]]:
    runs, left = len(suite.runs), len(suite.left())
    there = f", {runs - left:,} of them in {out} already" if left < runs else ""
    return [
        ("wanted", "  ".join(suite.parts)),
        ("scale", " ".join([f"{suite.scale.name}:", *suite.scale.about])),
        ("inputs", "samples" if suite.inputs.sample_only else str(suite.inputs.data)),
        ("remarks", "\n".join(suite.inputs.remarks)),
        ("runs", f"{runs:,}{there}"),
    ]


def _list(show: Any, suite: Suite) -> None:
    from nint.report.words import duration

    rows = []
    for name, part in suite.parts.items():
        seconds = suite.seconds(name)
        rows.append((name, f"{len(suite.specs[name]):,}", f"about {duration(seconds)}" if seconds else "", part.caption))
    if len(rows) > 1:
        # Runs that parts share are made once, so that together they take less than one after another.
        rows.append(("together", f"{len(suite.runs):,}", "", "runs that several need are made once"))
    show.table((f"at scale {suite.scale.name}", "runs", "time", ""), rows)
