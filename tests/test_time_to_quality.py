"""The scripts that measure training time: lanes, crossings, goals, a report from its lines alone, the plain NINT step, the roofline."""

import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
FACTS = {
    "device": "CPU",
    "command": "python benchmarks/time_to_quality.py",
    "launch": "2025-01-01T00:00:00+00:00",
    "commit": None,
    "machine": {"processor": "P", "cores": 2, "threads": 1, "python": "3.11", "torch": "2.13", "nint": "0.1", "matmul": "onednn"},
}


@pytest.fixture(scope="module", autouse=True)
def scripts():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def lane_options(**changes):
    return {"recipe": "paper", "field": "siren:size=2x16", "sampler": "full", "lr": 1e-3, **changes}


def lane(**changes):
    from time_to_quality_lanes import Lane

    given = {"part": "large", "case": "astronaut 16x16", "name": "full", "image": "sample:astronaut", "side": 16, "options": lane_options()}
    return Lane(**{**given, "targets": (8.0, 10.0), "cap_s": 5.0, "block_s": 0.02, **changes})


def race(lanes, out, **options):
    import time_to_quality_race

    return time_to_quality_race.race(lanes, out, FACTS, device="cpu", **options)


def lines_of(out):
    from time_to_quality_lines import read_lines

    return read_lines(out)


def test_a_finished_lane_is_not_repeated_and_another_setting_is(tmp_path):
    both = [lane(), lane(name="nint", options=lane_options(sampler="nint"))]
    assert race(both, tmp_path) == 2
    before = (tmp_path / "results.jsonl").read_bytes()
    assert race(both, tmp_path) == 0
    assert (tmp_path / "results.jsonl").read_bytes() == before
    assert race([lane(seed=1)], tmp_path) == 1
    lines = lines_of(tmp_path)
    assert [line["seed"] for line in lines] == [0, 0, 1]
    assert {line["interleaved_with"][0] for line in lines} == {"full"}
    assert all(line["stopped"] == "reached 10 dB" and line["error"] is None for line in lines)


def test_a_lane_without_its_targets_says_null_and_how_far_it_came(tmp_path):
    race([lane(targets=(8.0, 90.0), budget={"steps": 30})], tmp_path)
    (line,) = lines_of(tmp_path)
    assert line["stopped"] == "finished 30 steps"
    assert line["steps"] == 30
    assert line["reached"][0]["psnr"] == 8
    assert line["reached"][1] is None
    assert 8 < line["best_psnr"] < 90


def test_a_lane_is_given_up_at_its_cap(tmp_path):
    race([lane(targets=(90.0,), cap_s=0.1)], tmp_path)
    (line,) = lines_of(tmp_path)
    assert line["stopped"] == "given up after 0.1 s"
    assert line["training_seconds"] < 1


def test_evaluations_are_a_fiftieth_of_the_lanes_own_seconds_apart(tmp_path):
    from time_to_quality_lanes import EVALUATE_FLOOR_S, EVALUATE_SHARE

    race([lane(targets=(90.0,), cap_s=0.4)], tmp_path)
    (line,) = lines_of(tmp_path)
    seconds = [row["training_seconds"] for row in line["curve"]]
    apart = [(before, after - before) for before, after in itertools.pairwise(seconds[:-1])]
    assert seconds[0] == 0
    assert len(apart) > 3
    assert all(gap >= max(EVALUATE_SHARE * before, EVALUATE_FLOOR_S) - 1e-9 for before, gap in apart), "an evaluation came early"


@pytest.mark.parametrize("options", [lane_options(), lane_options(recipe="default", sampler=None, lr=None)], ids=["paper", "default"])
def test_an_interrupted_lane_goes_on_from_its_checkpoint_to_the_same_result(tmp_path, options):
    one = lane(options=options, targets=(), budget={"steps": 40}, block_s=1e-6)  # a step a turn
    race([one], tmp_path / "whole")
    turns = iter(range(100))
    assert race([one], tmp_path / "parts", interrupted=lambda: next(turns) >= 15) == 0
    assert len(list((tmp_path / "parts" / "checkpoints.tmp").iterdir())) == 1
    assert race([one], tmp_path / "parts") == 1
    (whole,), (parts,) = lines_of(tmp_path / "whole"), lines_of(tmp_path / "parts")
    assert not whole["resumed"]
    assert parts["resumed"]
    assert parts["steps"] == whole["steps"] == 40
    assert parts["psnr"] == whole["psnr"]
    assert not list((tmp_path / "parts" / "checkpoints.tmp").iterdir())


def test_a_lane_that_diverges_starts_again_under_the_default_recipe_and_ends_under_the_papers(tmp_path):
    wild = {"optimizer": "sgd", "lr": 1e6, "lr_schedule": "constant"}
    default = lane(name="default", options=lane_options(recipe="default", **wild), budget={"steps": 20})
    race([default, lane(options=lane_options(**wild), budget={"steps": 20})], tmp_path)
    lines = {line["name"]: line for line in lines_of(tmp_path)}
    assert lines["full"]["restarts"] == []
    assert [again["lr"] for again in lines["default"]["restarts"]] == [5e5, 2.5e5, 1.25e5]
    assert all(line["error"] and line["stopped"] is None for line in lines.values())
    assert lines["default"]["curve"][0]["training_seconds"] > 0, "the seconds of the failed tries count"


def test_a_line_that_was_cut_short_is_repeated_and_spoils_no_other(tmp_path):
    race([lane()], tmp_path)
    with open(tmp_path / "results.jsonl", "a", encoding="utf-8") as file:
        file.write('{"key": "abc", "cur')
    assert race([lane(seed=1)], tmp_path) == 1
    assert len(lines_of(tmp_path)) == 2
    assert race([lane(), lane(seed=1)], tmp_path) == 0


def test_the_square_is_cut_from_the_middle(tmp_path):
    from time_to_quality_lanes import square

    array = np.zeros((8, 12, 3), np.uint8)
    array[:, 2:10] = 200
    array[0, 2:10] = 100
    Image.fromarray(array).save(tmp_path / "wide.png")
    whole, half = square(str(tmp_path / "wide.png"), 8), square(str(tmp_path / "wide.png"), 4)
    np.testing.assert_array_equal(whole.array, array[:, 2:10])
    assert half.array.shape == (4, 4, 3)
    assert (half.array[1:] == 200).all()
    assert (half.array[0] == 150).all()


@pytest.mark.parametrize(("target", "seconds"), [(20.0, 2.0), (22.5, 2.5), (30.0, 7.0), (5.0, 0.0), (31.0, None)])
def test_the_crossing_lies_on_the_line_between_two_evaluations(target, seconds):
    from time_to_quality_lines import crossing

    points = [(0.0, 5.0), (1.0, 10.0), (2.0, 20.0), (3.0, 25.0), (4.0, 24.0), (6.0, 29.0), (8.0, 31.0 - 1e-9)]
    curve = [{"step": 10 * i, "training_seconds": at, "forward_equivalents": 3 * at, "psnr": value} for i, (at, value) in enumerate(points)]
    found = crossing(curve, target)
    if seconds is None:
        assert found is None
    else:
        assert found["training_seconds"] == pytest.approx(seconds)
        assert found["forward_equivalents"] == pytest.approx(3 * seconds)


def finished(part, name, case="a 512x512", seed=0, reached=(), psnr=30.0, selection=0.1, seconds=100.0, sampler="full"):
    """A line as `race` writes it; `reached` are (target, seconds or None)."""
    hit = {"step": 5, "forward_equivalents": 3.0}
    found = [None if at is None else {"psnr": target, "training_seconds": at, **hit} for target, at in reached]
    times = [{"training_seconds": float(i), "selection_seconds": 0.0} for i in range(5)]
    curve = [{"step": i, **row, "forward_equivalents": 3.0 * i, "psnr": 10.0 + i} for i, row in enumerate(times)]
    return {
        "key": f"{part}{name}{case}{seed}",
        "part": part,
        "name": name,
        "case": case,
        "seed": seed,
        "budget": {},
        "note": "",
        "chosen": [],
        "options": {"recipe": "paper"},
        "settings": {"sampler": sampler, "lr": 1e-4},
        "stopped": "done",
        "error": None,
        "resumed": False,
        "restarts": [],
        "targets": [target for target, _ in reached],
        "reached": found,
        "best_psnr": psnr,
        "psnr": psnr,
        "steps": 5,
        "forward_equivalents": 15.0,
        "setup_seconds": 0.1,
        "training_seconds": seconds,
        "selection_seconds": selection * seconds,
        "curve": curve,
        **FACTS,
    }


def goals_of(lines, dense=()):
    from time_to_quality_goals import goals

    return goals(lines, dense)


def test_the_goals_are_computed_from_the_lines():
    lines = [
        finished("large", "default", reached=[(30.0, 7.0)]),
        finished("large", "full", reached=[(30.0, 100.0)]),
        finished("small", "default", "b", reached=[(28.0, 5.0)]),
        finished("small", "full", "b", reached=[(28.0, 100.0)]),
        finished("small", "default", "c", reached=[(28.0, 9.0)]),
        finished("small", "full", "c", reached=[(28.0, 100.0)]),
        finished("samplers", "nint-fast", reached=[(25.0, 8.0), (28.0, None)], sampler="nint-fast:batch_share=0.1", selection=0.15),
        finished("samplers", "uniform", reached=[(25.0, 10.0), (28.0, 30.0)]),
        finished("minute", "default", psnr=31.0, sampler="nint-fast", selection=0.05),
        finished("minute", "nint", psnr=24.0),
    ]
    dense = [{"phase": "late", "side": 512, "size": "5x256", "ratio": 0.4}, {"phase": "start", "side": 512, "size": "5x256", "ratio": 0.9}]
    large, small, fast, share, minute, step = goals_of(lines, dense)
    assert large.value == pytest.approx(0.07)
    assert large.row.endswith("| yes |")
    assert small.value == pytest.approx(0.07)
    assert small.row.endswith("| no |")
    assert fast.value is None, "a target that was not reached cannot be averaged away"
    assert "1 of 2 not reached" in fast.row
    assert fast.row.endswith("| no |")
    assert share.value == pytest.approx(0.10)
    assert "at most 15.0%" in share.row
    assert minute.value == pytest.approx(7)
    assert minute.row.endswith("| yes |")
    assert step.value == pytest.approx(0.4)


def test_a_goal_without_runs_is_neither_met_nor_missed():
    assert all(goal.row.endswith("| not measured yet | – |") for goal in goals_of([]))


def test_where_only_the_other_lane_did_not_get_there_the_ratio_is_an_upper_bound():
    lines = [finished("large", "default", reached=[(30.0, 7.0)]), finished("large", "full", reached=[(30.0, None)], seconds=50.0)]
    from time_to_quality_goals import races

    (found,) = races(lines, "large", "default", "full")
    assert found.ratio == pytest.approx(0.14)
    assert found.text == "< 0.140"


def test_a_target_that_neither_lane_reached_is_left_out_of_the_mean():
    lines = [
        finished("samplers", "nint-fast", reached=[(25.0, 8.0), (30.0, None)]),
        finished("samplers", "uniform", reached=[(25.0, 10.0), (30.0, None)]),
    ]
    fast = goals_of(lines)[2]
    assert fast.value == pytest.approx(0.8)
    assert "1 of 2 reached by neither" in fast.row


def test_the_last_line_of_a_lane_counts():
    from time_to_quality_goals import latest

    old, new = finished("large", "full", seconds=1.0), finished("large", "full", seconds=2.0)
    assert latest([old, new]) == [new]


def test_the_report_is_rebuilt_from_the_lines_alone(tmp_path, monkeypatch, capsys):
    import time_to_quality

    lines = [finished("large", "default", reached=[(30.0, 7.0)]), finished("large", "full", reached=[(30.0, 100.0)])]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["time_to_quality.py", "--report-only", "--out", str(tmp_path / "out")])
    assert time_to_quality.main() == 0
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "| <= 0.08 | 0.070 | yes |" in table
    assert "P, 2 cores" in table
    with Image.open(tmp_path / "out" / "curves.png") as picture:
        assert picture.width > 300
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_miniature_of_every_part_runs_and_is_reported(tmp_path, monkeypatch, capsys):
    import time_to_quality

    arguments = ["time_to_quality.py", "--small", "--device", "cpu", "--out", str(tmp_path)]
    handlers = []
    monkeypatch.setattr(time_to_quality.signal, "signal", lambda number, handler: handlers.append(number))
    monkeypatch.setattr(sys, "argv", arguments)
    assert time_to_quality.main() == 0
    assert len(handlers) == 2
    lines = lines_of(tmp_path)
    assert {line["part"] for line in lines} == set(time_to_quality.PARTS)
    assert [line["error"] for line in lines] == [None] * 10
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.count("not measured yet") == 1, "only the dense step has a script of its own"
    said = capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*arguments, "--only", "samplers"])
    assert time_to_quality.main() == 0
    again = capsys.readouterr().out
    assert len(lines_of(tmp_path)) == len(lines) == len(said.splitlines()) - 2
    assert len(again.splitlines()) == 2, "nothing is repeated"


def test_the_real_plan_pairs_every_lane():
    from time_to_quality import groups, plan

    found = list(groups(plan(Path("data"))))
    names = [sorted(lane.name for lane in group) for group in found]
    assert names == [["default", "full", "nint"]] * 4 + [["nint-fast", "uniform"]] * 6 + [["default", "nint"]]
    assert all(len({(lane.image, lane.side, lane.targets, lane.seed) for lane in group}) == 1 for group in found)
    fast, uniform = found[4]
    assert fast.budget == uniform.budget
    assert fast.options["total_steps"] == fast.budget["steps"]


def test_the_plain_nint_step_does_what_the_engine_does():
    from dense_step import both

    from nint.runs.job import make_job
    from nint.training.engine import train_step

    job = make_job(
        "sample:astronaut", max_side=16, field="siren:size=2x16", sampler="nint:batch_share=0.5,random_share=0", lr=1e-3, device="cpu"
    )
    run, plain = both(job, 0)
    for step in range(12):  # past a refresh of the NTK part
        state = {name: value.clone() for name, value in run.field.state_dict().items()}
        rows, scored = plain.select()
        assert scored == len(rows)
        plain.train_step()
        train_step(run)
        assert set(run.selection.indices.tolist()) == set(rows.tolist()), step
        for ours, theirs, before in zip(run.field.parameters(), plain.model.parameters(), state.values(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-3)
            assert not torch.equal(ours, before)


def test_the_roofline_of_a_small_network_by_hand():
    from roofline import least_seconds, product_flops, rates

    # 2x4: 2 -> 4 -> 4 -> 3, with 8 + 16 + 12 weights; the first layer passes no gradient on
    assert product_flops("2x4") == {"forward": 72, "training step": 2 * 16 + 3 * 56}
    bound = least_seconds("2x4", 100.0, 4.0, 2.0)
    assert bound["forward"]["least_s"] == pytest.approx(0.72 + 8 / 4)
    assert bound["training step"]["least_s"] == pytest.approx(2.0 + 8 / 2)
    found = rates([{"work": (lambda: math.fsum(range(1000)), 1000.0)}], 2)
    assert 1e4 < found["work"] < 1e12
