"""Points without a value and points held out: who is trained on, and what is measured on whom."""

import math
from typing import ClassVar

import numpy as np
import pytest
import torch

import nint
from nint.errors import UsageError
from nint.signals.base import Pool, Signal
from nint.signals.image.signal import ImageLayout
from nint.signals.observed import ObservedSignal, observed_only
from nint.signals.open import open_signal

ROWS, COLUMNS = 8, 9
N = ROWS * COLUMNS
LOW, HIGH = -1.0, 3.0


class Patchy(Signal):
    """A small grid of values in [-1, 3], some of them NaN."""

    metrics: ClassVar[tuple[str, ...]] = ("mse",)
    layout = ImageLayout(ROWS, COLUMNS, 2, 32)
    name = "patchy"

    def __init__(self, missing=(3, 10, 11, 70), seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.coords = torch.rand(N, 2, generator=generator) * 2 - 1
        self.values = torch.rand(N, 2, generator=generator) * (HIGH - LOW) + LOW
        self.values[list(missing)] = math.nan
        self.observed = ~self.values.isnan().any(1) if len(missing) else None

    def pool(self, device):
        return Pool(self.coords.to(device), self.values.to(device), (ROWS, COLUMNS), (LOW, HIGH))

    def layout_rows(self, rows):
        return rows + 1000

    def report(self):
        return ("Inner words.",)

    def evaluate(self, predict):
        seen = slice(None) if self.observed is None else self.observed
        return {"mse": float((predict(self.coords)[seen] - self.values[seen]).square().mean())}

    def fingerprint(self):
        return "abc"


class Redrawing(Patchy):
    def redraw(self, pool, step, seed):
        return self.pool("cpu")


CPU = torch.device("cpu")


@pytest.mark.parametrize("hold_out", [0.0, 0.1, 0.5, 0.9])
def test_kept_held_and_unobserved_points_are_all_points_once(hold_out):
    signal = ObservedSignal(Patchy(), hold_out)
    unobserved = [3, 10, 11, 70]
    assert sorted([*signal.kept.tolist(), *signal.held.tolist(), *unobserved]) == list(range(N))
    assert len(signal.held) == int(hold_out * (N - 4))
    assert signal.kept.tolist() == sorted(signal.kept.tolist())
    pool = signal.pool(CPU)
    assert pool.grid is None and pool.value_range == (LOW, HIGH) and len(pool) == len(signal.kept)
    assert torch.equal(pool.coords, signal.inner.coords[signal.kept]) and torch.equal(pool.values, signal.inner.values[signal.kept])
    assert not pool.values.isnan().any()
    assert torch.equal(signal.layout_rows(torch.tensor([0, 2])), signal.kept[[0, 2]] + 1000)


def test_the_same_points_are_held_out_each_time():
    before = torch.get_rng_state()
    first, second = ObservedSignal(Patchy(), 0.3), ObservedSignal(Patchy(seed=5), 0.3)
    assert torch.equal(first.held, second.held)
    assert torch.equal(torch.get_rng_state(), before)
    held = first.held.tolist()
    assert held != list(range(held[0], held[0] + len(held)))  # spread, not a block


def prediction(coords):
    return torch.stack([3 * torch.sin(5 * coords[:, 0]), 4 * coords[:, 1]], 1)  # leaves the range on both sides


def test_psnr_held_out_is_that_of_numpy():
    signal = ObservedSignal(Patchy(), 0.4)
    found = signal.evaluate(prediction)
    rows = signal.held.numpy()
    coords = signal.inner.coords.double().numpy()[rows]
    predicted = np.clip(np.stack([3 * np.sin(5 * coords[:, 0]), 4 * coords[:, 1]], 1), LOW, HIGH)
    error = np.mean((predicted - signal.inner.values.double().numpy()[rows]) ** 2) / (HIGH - LOW) ** 2
    assert found["psnr_held_out"] == pytest.approx(-10 * np.log10(error), abs=1e-4)
    assert found["mse"] == signal.inner.evaluate(prediction)["mse"]
    assert signal.metrics == ("mse", "psnr_held_out") and Patchy.metrics == ("mse",)


def test_a_perfect_prediction_is_infinite_and_chunks_do_not_matter(monkeypatch):
    from nint.signals import observed

    signal = ObservedSignal(Patchy(missing=()), 0.4)
    assert (
        signal.evaluate(lambda coords: torch.cat([signal.inner.values[(signal.inner.coords == c).all(1)] for c in coords]))["psnr_held_out"]
        == math.inf
    )
    whole = signal.evaluate(prediction)["psnr_held_out"]
    monkeypatch.setattr(observed, "_CHUNK", 7)
    assert signal.evaluate(prediction)["psnr_held_out"] == pytest.approx(whole, abs=1e-9)


def test_nothing_is_measured_on_points_that_were_not_held_out():
    signal = ObservedSignal(Patchy())
    assert set(signal.evaluate(prediction)) == {"mse"} and signal.metrics == ("mse",)


def test_what_is_said():
    assert ObservedSignal(Patchy(), 0.5).report() == (
        "Inner words.",
        "4 of 72 points are unobserved and left out of training.",
        "34 points are held out; psnr_held_out is measured on them.",
    )
    assert ObservedSignal(Patchy(missing=()), 0.5).report() == (
        "Inner words.",
        "36 points are held out; psnr_held_out is measured on them.",
    )


def test_the_fingerprint_tells_who_is_left_out():
    signals = [
        Patchy(),
        ObservedSignal(Patchy()),
        ObservedSignal(Patchy(), 0.5),
        ObservedSignal(Patchy(), 0.51),
        ObservedSignal(Patchy((1, 2))),
    ]
    prints = [signal.fingerprint() for signal in signals]
    assert len(set(prints)) == len(prints)
    assert ObservedSignal(Patchy(), 0.5).fingerprint() == prints[2]


@pytest.mark.parametrize("hold_out", [-0.1, 1.0, 1.5, math.nan, math.inf])
def test_shares_out_of_range_are_refused(hold_out):
    with pytest.raises(UsageError, match="at least 0 and below 1"):
        observed_only(Patchy(), hold_out)


def test_what_leaves_nothing_is_refused():
    with pytest.raises(UsageError, match="fewer than two observed points"):
        ObservedSignal(Patchy(range(N)))
    with pytest.raises(UsageError, match="fewer than two observed points"):
        ObservedSignal(Patchy(range(1, N)))
    assert len(ObservedSignal(Patchy(range(2, N))).kept) == 2
    with pytest.raises(UsageError, match="fewer than two"):
        ObservedSignal(Patchy(range(10, N)), 0.9)
    with pytest.raises(UsageError, match="less than one point; hold out more"):
        ObservedSignal(Patchy(), 0.01)
    with pytest.raises(UsageError, match="redrawn cannot be held out"):
        ObservedSignal(Redrawing(), 0.5)


def test_the_wrapper_is_there_only_where_it_is_needed():
    whole = Patchy(missing=())
    assert observed_only(whole, None) is whole and observed_only(whole, 0.0) is whole
    assert isinstance(open_signal(whole, hold_out=0.2), ObservedSignal)
    assert isinstance(open_signal(Patchy()), ObservedSignal)


@pytest.mark.parametrize("sampler", ["egra", "soft-mining", "expansive"])
def test_samplers_that_need_a_grid_are_refused(sampler):
    with pytest.raises(UsageError, match=r"needs an image .* but this signal is points without a grid; use nint, int, evos or uniform"):
        nint.fit(Patchy(missing=()), hold_out=0.2, sampler=sampler, field="siren:size=1x8", budget=1, device="cpu")


@pytest.mark.parametrize("sampler", ["nint", "int", "evos", "uniform", "full"])
def test_nothing_that_is_held_out_or_unobserved_is_trained_on(sampler):
    signal = ObservedSignal(Patchy(), 0.3)
    chosen = []

    class Watch(nint.monitors.BaseMonitor):
        def after_step(self, run):
            chosen.extend(run.teacher.probe.coords[run.selection.indices].tolist())

    fit = nint.fit(signal, sampler=sampler, field="siren:size=1x8", budget=8, device="cpu", monitors=[Watch()])
    allowed = {tuple(point) for point in signal.inner.coords[signal.kept].tolist()}
    assert {tuple(point) for point in chosen} <= allowed
    assert set(fit.metrics) == {"mse", "psnr_held_out"} and math.isfinite(fit.metrics["psnr_held_out"])
    assert fit.record["points"] == len(signal.kept)


class Lazy:
    """Counts the most rows that were read at once."""

    def __init__(self, tensor, read):
        self.tensor, self.read = tensor, read
        self.shape, self.device = tensor.shape, tensor.device

    def __len__(self):
        return len(self.tensor)

    def __getitem__(self, rows):
        found = self.tensor[rows]
        self.read.append(len(found))
        return found


class Large(Patchy):
    """The grid with values that must not be read as a whole."""

    def __init__(self, missing=(3, 10, 11, 70)):
        super().__init__(missing)
        self.read = []

    def pool(self, device):
        return Pool(Lazy(self.coords, self.read), Lazy(self.values, self.read), (ROWS, COLUMNS), (LOW, HIGH))

    def redraw(self, pool, step, seed):
        return pool


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr("nint.signals.observed.MEASURE_UP_TO", 40)


@pytest.mark.parametrize("missing", [(), (3, 10, 11, 70)])
@pytest.mark.parametrize("hold_out", [0.0, 0.3, 0.6])
def test_a_large_pool_is_split_without_reading_it(missing, hold_out, small_limit):
    if not missing and not hold_out:
        return
    signal = ObservedSignal(Large(missing), hold_out)
    pool = signal.pool(CPU)
    kept, held = signal.kept[:], signal.held[:]
    assert sorted([*kept.tolist(), *held.tolist(), *missing]) == list(range(N)) and signal.inner.read == []
    assert kept.tolist() == sorted(kept.tolist()) and abs(len(held) - hold_out * N) < 4 * math.sqrt(N) / 2
    assert pool.grid is None and pool.value_range == (LOW, HIGH) and pool.in_features == pool.out_features == 2 and pool.device == CPU
    rows = torch.tensor([5, 0, len(pool) - 1])
    assert torch.equal(pool.coords[rows], signal.inner.coords[kept[rows]]) and torch.equal(pool.values[:7], signal.inner.values[kept[:7]])
    assert signal.inner.read == [3, 7] and len(pool) == len(kept)
    assert torch.equal(signal.layout_rows(rows), kept[rows] + 1000)
    again = ObservedSignal(Large(missing), hold_out)
    assert torch.equal(again.held[:], held) and again.fingerprint() == signal.fingerprint()


def test_quality_of_many_held_out_points(small_limit, monkeypatch):
    signal = ObservedSignal(Large(missing=()), 0.4)
    error = (prediction(signal.inner.coords).clamp(LOW, HIGH) - signal.inner.values).double()[signal.held[:]].square().mean(1).numpy()
    expected = -10 * np.log10(error.mean() / (HIGH - LOW) ** 2)
    assert signal.evaluate(prediction)["psnr_held_out"] == pytest.approx(expected, abs=1e-4)
    assert signal.report()[-1] == f"{len(signal.held)} points are held out; psnr_held_out is measured on them."
    monkeypatch.setattr("nint.signals.observed.MEASURE_UP_TO", 10)
    monkeypatch.setattr("nint.signals.observed.ESTIMATE_POINTS", 9)
    rows = np.arange(10) * len(error) // 9
    rows = rows[:-1] + (np.random.default_rng(0).random(9) * np.diff(rows)).astype(int)
    expected = -10 * np.log10(error[rows].mean() / (HIGH - LOW) ** 2)
    assert signal.evaluate(prediction)["psnr_held_out"] == pytest.approx(expected, abs=1e-4)
    assert signal.report()[-1].endswith("psnr_held_out is estimated on 9 of them.")


def test_what_leaves_nothing_of_a_large_pool_is_refused(small_limit):
    with pytest.raises(UsageError, match="less than one point; hold out more"):
        ObservedSignal(Large(), 1e-9)
    with pytest.raises(UsageError, match="fewer than two observed points"):
        ObservedSignal(Large(range(N)))


@pytest.mark.parametrize("sampler", ["nint:batch_size=10,candidates=30", "uniform:batch_size=10"])
def test_a_large_pool_is_trained_on_by_rows(sampler, small_limit):
    signal = ObservedSignal(Large(), 0.3)
    fit = nint.fit(signal, sampler=sampler, field="siren:size=1x8,weight_scale=1", budget=5, device="cpu")
    assert fit.record["points"] == len(signal.kept) and math.isfinite(fit.metrics["psnr_held_out"])
    assert max(signal.inner.read) <= max(30, len(signal.held))


def test_a_large_file_with_holes_stays_lazy(tmp_path):
    from nint.signals.grid_rows import GridValues

    points = 2**23
    values = np.sin(np.arange(points, dtype=np.float32) / 1000)
    values[::7] = np.nan
    np.save(tmp_path / "a.npy", values)
    del values
    signal = open_signal(tmp_path / "a.npy", hold_out=0.1)
    pool = signal.pool(CPU)
    assert isinstance(pool.values._base, GridValues) and len(pool) == len(signal.kept)
    assert len(signal.kept) + len(signal.held) == points - -(-points // 7)
    picked = pool.values[torch.tensor([0, len(pool) - 1])]
    assert picked.isfinite().all()
