"""What egra and expansive must both do."""

import random

import numpy as np
import pytest
import torch
from oracles.pictures import picture, teacher_on, train, whole_loss
from torch import nn

from nint.errors import UsageError
from nint.teacher import Teacher

SAMPLERS = ["egra", "expansive:random_share=0.7"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_same_seed_same_points_and_the_global_generators_stay_put(sampler):
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    runs = [[b.indices.tolist() for _, b, _ in train(teacher_on(picture(20, 32), sampler, seed=s), 4)] for s in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_training_lowers_the_loss(sampler, channels):
    teacher = teacher_on(picture(24, 36, channels), sampler)
    before = whole_loss(teacher)
    for _ in train(teacher, 20):
        pass
    assert whole_loss(teacher) < 0.5 * before


@pytest.mark.parametrize("grid", [None, (60,), (3, 4, 5)])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_signals_without_an_image_grid_are_refused(sampler, grid):
    coords = torch.rand(60, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UsageError, match=f"{sampler.partition(':')[0]} needs an image"):
        Teacher(nn.Linear(3, 1), coords, torch.zeros(60, 1), sampler, total_steps=5, grid=grid)
