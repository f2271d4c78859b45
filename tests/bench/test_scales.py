"""Sizes of the reproductions."""

import dataclasses
import itertools

import pytest

from nint.bench.scales.scales import SCALES, scale_named
from nint.bench.scales.sizes import Task, spread
from nint.errors import UsageError
from nint.fields import parse_size

TASKS = ("images", "hyper_parameters", "sizes", "structures", "audio", "shapes", "super_resolution", "large")


def parameters(size: str) -> int:
    layers, width = parse_size(size)
    return 2 * width + width + (layers - 1) * (width * width + width) + 3 * width + 3


def test_the_paper_has_its_own_sizes():
    images = SCALES["paper"].images
    assert (images.side, images.size, images.steps, images.total_steps, images.checkpoints) == (512, "5x256", 5000, 5000, (250, 1000, 5000))
    assert parameters(images.size) == 264_707
    assert images.targets_of("psnr") == (25, 30, 35)


@pytest.mark.parametrize("task", ["images", "super_resolution", "large"])
def test_the_cpu_scale_has_about_the_papers_points_a_parameter(task):
    def points_a_parameter(sizes: Task) -> float:
        return (sizes.side // dict(sizes.options).get("super_resolution", 1)) ** 2 / parameters(sizes.size)

    ours, papers = (points_a_parameter(getattr(SCALES[name], task)) for name in ("cpu", "paper"))
    assert ours == pytest.approx(papers, rel=0.05)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("scale", SCALES)
def test_every_checkpoint_is_evaluated_and_in_the_budget(scale, task):
    sizes = getattr(SCALES[scale], task)
    papers = getattr(SCALES["paper"], task).checkpoints
    if scale == "full-size":  # the paper's own, as far as the budget goes
        assert sizes.checkpoints == papers[: len(sizes.checkpoints)]
    else:
        assert len(sizes.checkpoints) == len(papers)
    assert set(sizes.checkpoints) <= set(sizes.evaluate_at)
    assert max(sizes.evaluate_at) <= (sizes.steps or sizes.seconds)
    assert list(sizes.evaluate_at) == sorted(set(sizes.evaluate_at))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("scale", ["smoke", "cpu"])
def test_the_papers_targets_are_kept(scale, task):
    for metric, values in getattr(SCALES["paper"], task).targets:
        assert set(values) <= set(getattr(SCALES[scale], task).targets_of(metric))


def test_evaluations_lie_ever_farther_apart():
    points = spread(1500, 48)
    gaps = [b - a for a, b in itertools.pairwise(points)]
    assert points[-1] == 1500
    assert max(gaps) <= 2 * 1500 / 48 + 1
    assert all(b >= a - 1 for a, b in itertools.pairwise(gaps))


def test_an_estimate_adds_up_steps_and_evaluations():
    task = Task(1, "5x64", 100, steps=100, checkpoints=(100,), evaluations=1, full_ms=10, chosen_ms=5, evaluation_ms=200)
    assert task.run_seconds(chosen=False) == pytest.approx(1.2)
    assert task.run_seconds(chosen=True) == pytest.approx(0.7)
    assert task.run_seconds(chosen=True, size="5x128") > 2 * task.run_seconds(chosen=True) - 0.4
    assert dataclasses.replace(task, full_ms=0).run_seconds(chosen=False) == 0


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="Did you mean 'paper'"):
        scale_named("papers")
    with pytest.raises(UsageError, match="one budget"):
        Task(1, "5x64", 100)
