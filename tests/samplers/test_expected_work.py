"""What a sampler says beforehand of its work is what the meter counts."""

from __future__ import annotations

import pytest
import torch

from nint.fields import FIELDS
from nint.teacher import Teacher

STEPS, POINTS = 150, 4096
# After this step the NTK part of so small a pool is empty, while the estimate, which knows no pool, may still count it.
CERTAIN = 55


@pytest.mark.parametrize(
    "form",
    [
        "full",
        "uniform:schedule=linear",
        "int",
        "int:interval=incremental",
        "nint",
        "nint:random_share=0,decay_rate=0,refresh_interval=1",
        "nint:interval=every-7",
        "nint:interval=decremental,refresh_interval=3",
        "nint:random_share=1",
        "nint-fast",
        "nint-fast:schedule=cosine",
        "nint-reference",
        "nint-reference:score=kernel",
        "nint-reference:score=kernel,interval=every-3",
        "nint-reference:score=kernel,decay_rate=0,interval=decremental",
        "nint-reference:random_share=1",
    ],
)
def test_expected_work_of_each_step(form: str):
    generator = torch.Generator().manual_seed(0)
    field = FIELDS.parse("siren:size=1x4").build(2, 1, generator)
    coords, values = torch.rand(POINTS, 2, generator=generator) * 2 - 1, torch.rand(POINTS, 1, generator=generator)
    teacher = Teacher(field, coords, values, form, total_steps=STEPS)
    for step in range(CERTAIN):
        before = teacher.cost.forward_equivalents(POINTS)
        batch = teacher.next()
        assert teacher.sampler.scoring_forwards(step, STEPS) == teacher.cost.forward_equivalents(POINTS) - before, step
        assert int(teacher.sampler.expected_share(step, STEPS) * POINTS) == len(batch.indices), step
        teacher.observe(field(batch.coords).detach())
