"""A teacher as loader, sampler and batch sampler of torch.utils.data."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from nint import Teacher, UsageError
from nint.integrations import TeacherBatches, TeacherBatchSampler, TeacherSampler

N = 60


def made(sampler="nint", steps=12):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    coords = torch.rand(N, 2, generator=torch.Generator().manual_seed(1))
    values = torch.sin(5 * coords[:, :1])
    return model, coords, values, Teacher(model, coords, values, sampler, total_steps=steps, seed=4)


def update(model, optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def plain(sampler, steps=12):
    model, _, _, teacher = made(sampler)
    optimizer, chosen = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(steps):
        batch = teacher.next()
        prediction = model(batch.coords)
        update(model, optimizer, batch.loss(prediction))
        teacher.observe(prediction)
        chosen.append(batch.indices.tolist())
    return chosen


SAMPLERS = ["nint", "nint-fast", "int", "uniform", "evos"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_loader_gives_the_teachers_batches(sampler):
    model, _, _, teacher = made(sampler)
    optimizer, chosen, loader = torch.optim.SGD(model.parameters(), lr=0.1), [], TeacherBatches(teacher)
    assert len(loader) == 12
    for batch in loader:
        update(model, optimizer, batch.loss(model(batch.coords)))
        teacher.observe()
        chosen.append(batch.indices.tolist())
    assert chosen == plain(sampler)


class Items(Dataset):
    """One item at a time, as most data sets are."""

    def __init__(self, coords, values):
        self.coords, self.values = coords, values

    def __len__(self):
        return len(self.coords)

    def __getitem__(self, index):
        assert isinstance(index, int)
        return index, self.coords[index], self.values[index]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_batch_sampler_in_a_data_loader(sampler):
    model, coords, values, teacher = made(sampler)
    optimizer, chosen, batches = torch.optim.SGD(model.parameters(), lr=0.1), [], TeacherBatchSampler(teacher)
    loader = DataLoader(Items(coords, values), batch_sampler=batches)
    assert len(loader) == 12
    for rows, x, y in loader:
        assert torch.equal(x, coords[rows]) and torch.equal(y, values[rows])
        update(model, optimizer, batches.batch.loss(model(x)))
        teacher.observe()
        chosen.append(rows.tolist())
    assert chosen == plain(sampler)


def test_a_sampler_of_whole_batches():
    model, coords, values, teacher = made()
    optimizer, chosen, batches = torch.optim.SGD(model.parameters(), lr=0.1), [], TeacherSampler(teacher, steps=5)
    loader = DataLoader(TensorDataset(torch.arange(N), coords, values), sampler=batches, batch_size=None)
    for _ in range(2):
        for rows, x, _ in loader:
            update(model, optimizer, batches.batch.loss(model(x)))
            teacher.observe()
            chosen.append(rows.tolist())
    assert chosen == plain("nint")[:10]


def test_workers_that_fetch_ahead_are_refused():
    """A DataLoader with workers asks for the second batch before it has given the first."""
    asked = iter(TeacherBatchSampler(made("uniform")[-1]))
    next(asked)
    with pytest.raises(UsageError, match=r"before the last one was reported.*num_workers=0"):
        next(asked)


def test_a_step_that_is_not_reported():
    model, _, _, teacher = made()
    with pytest.raises(UsageError, match=r"call teacher\.observe\(\) in each step"):
        for batch in TeacherBatches(teacher):
            batch.loss(model(batch.coords)).backward()
    with pytest.raises(UsageError, match=r"steps=0 .* whole number of at least 1"):
        TeacherBatches(teacher, steps=0)
    with pytest.raises(UsageError, match=r"steps=2\.5 .* whole number of at least 1"):
        TeacherBatches(teacher, steps=2.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 16}, r"before the last one was reported; .* give a DataLoader batch_size=None, .* and num_workers=0"),
        ({}, r"The prediction \(1, 60, 1\) must have the shape .*, \(60, 1\); .* unless it has batch_size=None"),
    ],
)
def test_a_data_loader_that_gathers_whole_batches_is_told_how_not_to(options, said):
    model, coords, values, teacher = made("uniform:batch_share=1")
    batches = TeacherSampler(teacher)
    with pytest.raises(UsageError, match=said):
        for x, _ in DataLoader(TensorDataset(coords, values), sampler=batches, **options):
            batches.batch.loss(model(x))
