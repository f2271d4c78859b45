import pytest
import torch

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.samplers import SAMPLERS
from nint.samplers.candidates import Candidates
from nint.samplers.tree import flatten, unflatten
from nint.teacher import Teacher

N = 4000


def teacher(sampler, n=N, seed=0):
    generator = torch.Generator().manual_seed(1)
    field = FIELDS.parse("siren:size=1x8").build(2, 1, generator)
    coords = torch.rand(n, 2, generator=generator) * 2 - 1
    values = torch.rand(n, 1, generator=generator)
    return Teacher(field, coords, values, sampler, total_steps=50, seed=seed)


def test_the_batch_is_the_top_of_its_own_candidates():
    chosen = teacher("int:batch_size=40,candidates=200")
    assert isinstance(chosen.sampler, Candidates)
    error = chosen.probe.residual().abs().sum(1)
    selection = chosen.select()
    rows = chosen.state.candidates
    assert len(rows.unique()) == 200
    oracle = rows[torch.topk(error[rows], 40).indices]
    assert set(selection.indices.tolist()) == set(oracle.tolist())


def test_only_the_candidates_are_forwarded():
    chosen = teacher("int:batch_size=40,candidates=200")
    chosen.select()
    assert chosen.cost.forward == 200


def test_a_share_is_of_the_whole_pool_and_the_candidates_grow_to_hold_it():
    chosen = teacher("nint:batch_share=0.2,candidates=100")
    selection = chosen.select()
    assert len(selection.indices.unique()) == N // 5 == len(chosen.state.candidates)


def test_candidates_that_leave_no_choice_are_said():
    assert "candidates=100 is not more than the batch of 800 points" in teacher("nint:candidates=100").sampler.note(teacher("nint").probe)


def test_candidates_grow_with_the_batch():
    chosen = teacher("int:batch_size=40,candidates=200,schedule=linear")
    assert "200 random candidates of 4,000 points, which grow with the batch" in chosen.sampler.note(chosen.probe)
    for step in range(4):
        chosen.step = step * 10
        batch = len(chosen.select().indices)
        assert len(chosen.state.candidates) == min(5 * batch, N)


def test_every_point_is_a_candidate_equally_often():
    # 400 draws of 100 from 500; each point is drawn Binomial(400, 0.2): mean 80, sd 8. Six sd over 500 points: false alarm < 1e-6.
    chosen = teacher("uniform:batch_size=100,candidates=100", n=500)
    counts = torch.zeros(500)
    for _ in range(400):
        chosen.next()
        counts[chosen.state.candidates] += 1
        chosen.observe(torch.zeros(100, 1))
    assert (counts - 80).abs().max() < 48


def test_nothing_cached_by_index_survives_a_fresh_sub_pool():
    chosen = teacher("nint:batch_size=40,candidates=200,random_share=0,decay_rate=0,refresh_interval=10")
    for step in range(3):
        batch = chosen.next()
        assert chosen.cost.jvp == 200 * (step + 1)  # rescored although no refresh is due
        chosen.observe(chosen.field(batch.coords))


def test_the_state_travels_in_a_checkpoint():
    first = teacher("nint:batch_size=40,candidates=200")
    for _ in range(2):
        batch = first.next()
        first.observe(first.field(batch.coords))
    tensors = {}
    saved = flatten(first.state, "sampler", tensors)
    second = teacher("nint:batch_size=40,candidates=200")
    second.state = unflatten(saved, tensors, type(second.state), second.state)
    second.step = 2
    second.rng.set_state(first.rng.get_state())
    assert torch.equal(first.select().indices, second.select().indices)


@pytest.mark.parametrize(
    ("sampler", "part"),
    [
        ("egra:candidates=100", "egra depends on earlier steps"),
        ("evos:candidates=100", "evos depends on earlier steps"),
        ("int:candidates=100,interval=every-5", "interval=every-5 is not possible"),
        ("nint:batch_share=0.3,batch_size=40", "both set the batch"),
    ],
)
def test_what_cannot_be_wrapped(sampler, part):
    with pytest.raises(UsageError, match=part):
        teacher(sampler)


def test_text_form():
    assert SAMPLERS.text(SAMPLERS.parse("nint:batch_size=40,candidates=200")) == "nint:batch_size=40,candidates=200"
    with pytest.raises(UsageError, match="candidates=0"):
        SAMPLERS.parse("nint:candidates=0")


@pytest.mark.parametrize(("size", "n"), [(49, 85), (100, 337), (7, 1000), (85, 85)])
@pytest.mark.parametrize("schedule", ["constant", "linear", "step", "cosine"])
def test_a_batch_in_points_starts_with_that_many(size, n, schedule):
    assert SAMPLERS.parse(f"uniform:batch_size={size},schedule={schedule}").count(0, 50, n) == size
