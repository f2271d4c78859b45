"""Teachers of several processes choose what that of one chooses, and the mean of their losses has its gradient."""

from __future__ import annotations

import copy

import pytest
import torch
from oracles.processes import together
from torch import nn

import nint
from nint.distributed.gradient import reduce_gradient
from nint.distributed.picker import ShardedPicker, common_rows
from nint.distributed.shard import Shard
from nint.samplers.base import Feedback
from nint.samplers.picker import Picker, random_rows

N = 900
STEPS = 4
SAMPLERS = [
    "nint:batch_share=0.2",
    "nint:random_share=0.0,decay_rate=0,refresh_interval=1,batch_share=0.1",
    "nint:refresh_interval=2,batch_share=0.3,interval=every-2,between=redraw",
    "nint:candidates=300,batch_size=50",
    "int:batch_share=0.2",
    "int:interval=every-3,schedule=linear",
    "int:candidates=200,batch_size=33",
    "uniform:batch_share=0.3",
    "uniform:batch_size=20",
    "nint-fast:batch_share=0.1,points_per_cell=8",
    "full",
]


def points() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    coords = torch.rand(N, 2, generator=generator) * 2 - 1
    return coords, torch.sin(3 * coords[:, :1]) * torch.cos(5 * coords[:, 1:]) + 0.1 * torch.randn(N, 2, generator=generator)


def network() -> nn.Module:
    generator = torch.Generator().manual_seed(3)  # not the global one, which threads share
    field = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 2)).double()
    with torch.no_grad():
        for p in field.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype) / p.shape[-1] ** 0.5)
    return field


def train(field, coords, values, sampler, group=None, start=0, steps=STEPS, state=None):
    """A loop as a user writes it; returns the rows of each step, counted over all, the weights, and the teacher's state."""
    teacher = nint.Teacher(field, coords, values, sampler, total_steps=STEPS, seed=5, group=group)
    if state is not None:
        teacher.load_state_dict(state)
    optimizer = torch.optim.SGD(field.parameters(), lr=0.05)
    rows = []
    for _ in range(steps):
        batch = teacher.next()
        prediction = field(batch.coords)
        loss = batch.loss(prediction)
        optimizer.zero_grad()
        loss.backward()
        for p in field.parameters() if group is not None else ():
            p.grad.copy_(group.sum_(p.grad) / group.size)
        optimizer.step()
        teacher.observe(prediction)
        rows.append((batch.indices + start).tolist())
    return rows, copy.deepcopy(field.state_dict()), teacher.state_dict()


def over(edges, sampler, steps=STEPS, state=None, weights=None):
    coords, values = points()
    coords, values = coords.double(), values.double()

    def work(group):
        start, stop = edges[group.rank], edges[group.rank + 1]
        field = network()
        if weights is not None:
            field.load_state_dict(weights)
        return train(field, coords[start:stop], values[start:stop], sampler, group, start, steps, state)

    return together(len(edges) - 1, work)


def alone(sampler, steps=STEPS, state=None, weights=None):
    coords, values = points()
    field = network()
    if weights is not None:
        field.load_state_dict(weights)
    return train(field, coords.double(), values.double(), sampler, steps=steps, state=state)


def joined_rows(parts):
    return [sorted(row for rows, _, _ in parts for row in rows[step]) for step in range(len(parts[0][0]))]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("edges", [[0, 7, 7, 800, N]], ids=["uneven and empty"])
def test_the_same_points_and_weights_as_one_process(sampler, edges):
    rows, weights, _ = alone(sampler)
    parts = over(edges, sampler)
    assert joined_rows(parts) == [sorted(step) for step in rows]
    for _, found, _ in parts:
        for name, value in weights.items():
            torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-12)
            assert torch.equal(found[name], parts[0][1][name])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_state_goes_on_with_another_number_of_processes(sampler):
    rows, _, _ = alone(sampler)
    wanted = [sorted(step) for step in rows[2:]]
    parts = over([0, 300, 650, N], sampler, steps=2)
    _, weights, state = parts[0]
    assert joined_rows(over([0, 123, N], sampler, steps=2, state=state, weights=weights)) == wanted
    assert [sorted(step) for step in alone(sampler, steps=2, state=state, weights=weights)[0]] == wanted
    _, weights, state = alone(sampler, steps=2)
    assert joined_rows(over([0, 123, N], sampler, steps=2, state=state, weights=weights)) == wanted


@pytest.mark.parametrize("count", [1, 40, 99, 100])
@pytest.mark.parametrize("edges", [[0, 100], [0, 30, 100], [0, 0, 60, 61, 100]])
def test_a_picker_takes_what_one_picker_takes(edges, count):
    scores = torch.rand(100, generator=torch.Generator().manual_seed(1))

    def fill(picker, scores, rows):
        picker.top(scores, count // 3)
        picker.take(rows)
        picker.random(count // 2)
        picker.top(-scores, count // 4)
        picker.random(count)
        return len(picker), picker.indices.tolist()

    def work(group):
        shard = Shard(100, edges[group.rank], edges[group.rank + 1])
        rng = torch.Generator().manual_seed(2)
        rows = torch.arange(shard.start, shard.stop)
        found = fill(ShardedPicker(shard, group, rng), scores[shard.start : shard.stop], rows[rows % 17 == 0])
        return (*found, rng.get_state())

    rng = torch.Generator().manual_seed(2)
    total, rows = fill(Picker(100, rng), scores, torch.arange(0, 100, 17))
    parts = together(len(edges) - 1, work)
    assert {part[0] for part in parts} == {total}
    assert sorted(row for part in parts for row in part[1]) == sorted(rows)
    assert all(torch.equal(part[2], rng.get_state()) for part in parts)


@pytest.mark.parametrize(("n", "count"), [(1000, 3), (1000, 500), (100_003, 100_003), (1, 1)])
def test_common_rows_are_random_rows(n, count):
    one, other = torch.Generator().manual_seed(9), torch.Generator().manual_seed(9)
    assert torch.equal(common_rows(n, count, one), random_rows(n, count, other))
    assert torch.equal(one.get_state(), other.get_state())


def test_the_reduced_gradient_is_that_of_the_whole_batch():
    coords, values = points()
    edges = [0, 5, 5, 640, N]
    field = network()
    whole = (field(coords.double()) - values.double()).square().mean(1)
    whole.mean().backward()

    def work(group):
        own = copy.deepcopy(field)
        own.zero_grad()
        part = slice(edges[group.rank], edges[group.rank + 1])
        losses = (own(coords[part].double()) - values[part].double()).square().mean(1)
        if len(losses):
            losses.mean().backward()
        loss, told = reduce_gradient(own, len(losses), losses.detach(), group, [1.0, float(group.rank)])
        return loss, told, [p.grad for p in own.parameters()]

    for loss, told, gradients in together(4, work):
        assert loss == pytest.approx(float(whole.detach().mean()), rel=1e-12)
        assert told == [4.0, 6.0]
        for found, p in zip(gradients, field.parameters(), strict=True):
            torch.testing.assert_close(found, p.grad, rtol=1e-12, atol=1e-14)


def test_complex_parameters_are_reduced_too():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1 + 2j, 3 - 1j]))

        def forward(self, x):
            return (x * self.weight).abs()

    def work(group):
        field = Turned()
        losses = field(torch.full((group.rank + 1, 2), 1.0)).mean(1) * (group.rank + 1)
        losses.mean().backward()
        reduce_gradient(field, len(losses), losses.detach(), group, [])
        return field.weight.grad

    field = Turned()
    losses = torch.cat([field(torch.ones(1, 2)).mean(1), 2 * field(torch.ones(2, 2)).mean(1)])
    losses.mean().backward()
    for found in together(2, work):
        torch.testing.assert_close(found, field.weight.grad)


def test_what_does_not_work_is_refused():
    coords, values = points()

    def refused(sampler, edges=(0, 450, N), **options):
        def work(group):
            part = slice(edges[group.rank], edges[group.rank + 1])
            nint.Teacher(network(), coords[part], values[part], sampler, total_steps=3, group=group, **options)

        with pytest.raises(nint.UsageError) as error:
            together(2, work)
        return str(error.value)

    for sampler in ("evos", "soft-mining", "nint-reference", "egra"):
        message = refused(sampler, grid=(30, 15))
        assert sampler in message
        assert "use nint, int, uniform, nint-fast, full" in message
    assert "has points" in refused("uniform", edges=(0, 0, 0))


def test_points_are_not_replaced():
    coords, values = points()

    def work(group):
        teacher = nint.Teacher(network(), coords, values, "uniform", total_steps=3, group=group)
        teacher.replace_pool(coords.clone(), values)

    with pytest.raises(nint.UsageError, match="cannot be replaced over several processes"):
        together(2, work)


def test_texts_and_agreement():
    def work(group):
        texts = group.texts("é" * group.rank)
        value = group.agreed(lambda: group.rank + 1)
        return texts, value

    assert together(3, work) == [(["", "é", "éé"], rank + 1) for rank in range(3)]

    def refuse(group):
        def check():
            if group.rank:
                raise nint.UsageError(f"rank {group.rank} has no file")

        group.agreed(check)

    with pytest.raises(nint.UsageError, match="rank 1 has no file"):
        together(3, refuse)


def test_feedback_is_completed_for_the_sampler_that_looks_at_it():
    """Its error map is that of one process, so one more draw from it is too."""
    coords, values = points()
    shard = Shard(N, 0, N)

    def work(group):
        from nint.distributed.probe import ShardedProbe
        from nint.probe.objectives import L2
        from nint.probe.probe import Probe
        from nint.samplers.nint_fast import NintFast
        from nint.signals.base import Pool

        probe = ShardedProbe(Probe(network(), Pool(coords, values), L2()), shard, group)
        sampler, rng = NintFast(batch_share=0.1), torch.Generator().manual_seed(0)
        chosen, own, _ = probe.select(sampler, sampler.init(probe, 3, rng), 0, rng)
        losses = torch.rand(len(own.indices))
        return losses, probe.completed(sampler, chosen, Feedback(torch.empty(0), losses)).point_loss

    ((losses, completed),) = together(1, work)
    assert torch.equal(losses, completed)
