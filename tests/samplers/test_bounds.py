"""Every number that a sampler takes has bounds, at either of which it still chooses points; beyond them one sentence says so."""

import dataclasses

import numpy as np
import pytest
import torch
from oracles.pictures import picture, rows_of, small_siren

from nint.errors import UsageError
from nint.samplers import SAMPLERS
from nint.signals.base import GridCoords
from nint.teacher import Teacher

NUMBERS = [
    (name, field)
    for name in SAMPLERS.names(plugins=False)
    for field in dataclasses.fields(SAMPLERS.get(name))
    if field.type.partition(" ")[0] in ("int", "float") and (field.name != "candidates" or SAMPLERS.get(name).works_on_subpools)
]


def ends(field):
    """The lowest and the highest value of a setting."""
    whole, meta = field.type.startswith("int"), field.metadata
    low = meta["at_least"] if meta["at_least"] is not None else np.nextafter(meta["above"], np.inf)
    high = meta["at_most"]
    return (int(low), int(high)) if whole else (float(low), float(high))


def two_steps(text):
    image = picture(9, 11)
    model = small_siren(3)
    teacher = Teacher(model, GridCoords((9, 11)), rows_of(image), text, total_steps=2, grid=(9, 11))
    assert teacher.sampler.scoring_forwards(1, 2) >= 0 and 0 < teacher.sampler.expected_share(1, 2) <= 1
    for _ in range(2):
        batch = teacher.next()
        assert len(batch.indices) and int(batch.indices.min()) >= 0 and int(batch.indices.max()) < 99
        prediction = model(batch.coords)
        batch.loss(prediction).backward()
        teacher.observe(prediction)


@pytest.mark.parametrize(("name", "field"), NUMBERS, ids=[f"{name}-{field.name}" for name, field in NUMBERS])
def test_a_sampler_at_either_end_of_a_range(name, field):
    low, high = ends(field)
    for value in (low, high):
        two_steps(f"{name}:{field.name}={value!r}")


@pytest.mark.parametrize(("name", "field"), NUMBERS, ids=[f"{name}-{field.name}" for name, field in NUMBERS])
def test_beyond_the_range(name, field):
    low, high = ends(field)
    beyond = [low - 1, high + 1] if field.type.startswith("int") else [low - 1e-3, high * 1.01, float("nan"), float("inf")]
    for value in beyond:
        with pytest.raises(UsageError, match=f"{name}: {field.name}=.* is out of range"):
            SAMPLERS.parse(f"{name}:{field.name}={value!r}")
    with pytest.raises(UsageError, match=rf"{name}: {field.name}=1000.*\.\.\. is "):
        dataclasses.replace(SAMPLERS.parse(name), **{field.name: 10**400})
    with pytest.raises(UsageError, match=rf"{name}: {field.name}=\.\.\. is "):
        dataclasses.replace(SAMPLERS.parse(name), **{field.name: 10**5000})


def test_a_run_of_a_trillion_steps_is_laid_out_at_once():
    for name in SAMPLERS.names(plugins=False):
        sampler = SAMPLERS.parse(name)
        assert sampler.scoring_forwards(10**12 - 1, 10**12) >= 0 and 0 < sampler.expected_share(10**12 - 1, 10**12) <= 1
    torch.testing.assert_close(SAMPLERS.parse("nint-reference:interval=incremental").scoring_forwards(10**12 - 1, 10**12), 0.0)
