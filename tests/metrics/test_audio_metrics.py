import doctest
import importlib.util
import math

import numpy as np
import pytest
import torch

from nint.errors import UsageError
from nint.metrics import audio
from nint.metrics.audio import missing_package, pesq, si_snr, stoi

RATE = 16_000


def has(package):
    return importlib.util.find_spec(package) is not None


needs_pystoi = pytest.mark.skipif(not has("pystoi"), reason="STOI needs the optional package pystoi")
needs_pesq = pytest.mark.skipif(not has("pesq"), reason="PESQ needs the optional package pesq")
METRICS = [
    pytest.param(lambda p, t: si_snr(p, t), id="si_snr"),
    pytest.param(lambda p, t: stoi(p, t, RATE), id="stoi", marks=needs_pystoi),
    pytest.param(lambda p, t: pesq(p, t, RATE), id="pesq", marks=needs_pesq),
]


def speech(seconds=2.0, rate=RATE, seed=0):
    """Like speech: harmonics of a gliding pitch under two formants, in syllables with pauses."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = [(500 + 250 * np.sin(2 * np.pi * 1.3 * time), 120), (1500 + 500 * np.cos(2 * np.pi * 0.9 * time), 200)]
    found = np.zeros_like(time)
    for harmonic in range(1, 25):
        weight = sum(np.exp(-(((harmonic * pitch - centre) / (2 * width)) ** 2)) for centre, width in formants)
        found += weight * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * time), 0, None) ** 0.5
    return 0.2 * found * syllables + 1e-4 * rng.standard_normal(len(time))


def noisy(target, ratio_db, seed=1):
    noise = np.random.default_rng(seed).standard_normal(target.shape)
    return target + noise * np.sqrt(np.mean(target**2) / np.mean(noise**2)) * 10 ** (-ratio_db / 20)


def plain_si_snr(prediction, target):
    """Sample by sample, with exact sums."""
    n = len(target)
    p_mean, t_mean = math.fsum(prediction) / n, math.fsum(target) / n
    p, t = [x - p_mean for x in prediction], [x - t_mean for x in target]
    scale = math.fsum(a * b for a, b in zip(p, t, strict=True)) / math.fsum(b * b for b in t)
    wanted = math.fsum((scale * b) ** 2 for b in t)
    rest = math.fsum((a - scale * b) ** 2 for a, b in zip(p, t, strict=True))
    return 10 * math.log10(wanted / rest)


def test_the_numbers_in_the_docstrings():
    found = doctest.testmod(audio)
    assert found.attempted >= 4 and found.failed == 0


@pytest.mark.parametrize("ratio_db", [-20, 0, 25, 90])
def test_si_snr_is_the_plain_sum(ratio_db):
    target = speech(0.1) + 0.3
    prediction = noisy(target, ratio_db)
    expected = plain_si_snr(prediction.tolist(), target.tolist())
    assert si_snr(prediction, target) == pytest.approx(expected, abs=1e-8)
    assert abs(expected - ratio_db) < 12  # the offset of 0.3 is no part of the signal


def test_si_snr_ignores_scale_sign_and_offset_but_not_delay():
    target = speech(0.2)
    prediction = noisy(target, 10)
    expected = si_snr(prediction, target)
    assert si_snr(-7 * prediction + 3, 0.01 * target - 1) == pytest.approx(expected, abs=1e-9)
    assert si_snr(np.roll(target, 5), target) < 10


def test_si_snr_of_a_copy_of_nothing_and_of_nan():
    target = np.array([1.0, -1.0, 1.0, -1.0])
    assert si_snr(2 * target + 1, target) == math.inf
    assert si_snr(np.array([1.0, 1.0, -1.0, -1.0]), target) == -math.inf
    assert math.isnan(si_snr(np.array([1.0, math.nan, 0.0, 0.0]), target))
    assert math.isnan(si_snr(np.array([1.0, math.inf, 0.0, 0.0]), target))


@pytest.mark.parametrize("metric", METRICS)
def test_channels_are_averaged(metric):
    target = np.stack([speech(0.8), speech(0.8, seed=5)[::-1]], axis=1)
    prediction = np.stack([noisy(target[:, 0], 20), noisy(target[:, 1], 3)], axis=1)
    alone = [metric(prediction[:, c], target[:, c]) for c in range(2)]
    assert metric(prediction, target) == pytest.approx(np.mean(alone), abs=1e-12)
    assert metric(prediction[:, :1], target[:, :1]) == alone[0] != alone[1]


@pytest.mark.parametrize("metric", METRICS)
def test_tensors_are_taken_like_arrays_and_left_alone(metric):
    target = speech(0.8).astype(np.float32)
    prediction = noisy(target, 5).astype(np.float32)
    before = prediction.copy(), target.copy()
    tensors = torch.from_numpy(prediction).requires_grad_(), torch.from_numpy(target)
    assert metric(*tensors) == metric(prediction, target)
    assert np.array_equal(before[0], prediction) and np.array_equal(before[1], target)


@pytest.mark.parametrize("metric", METRICS)
def test_more_noise_is_worse(metric):
    target = speech()
    scores = [metric(noisy(target, ratio), target) for ratio in (40, 20, 5)]
    assert scores == sorted(scores, reverse=True) and scores[0] - scores[-1] > 0.05


@pytest.mark.parametrize("metric", METRICS)
def test_silence_is_not_scored(metric):
    target = speech()
    for value in (0.0, 0.25):
        with pytest.raises(UsageError, match="not defined for silence, and the target"):
            metric(target, np.full_like(target, value))
        with pytest.raises(UsageError, match="not defined for silence, and the prediction"):
            metric(np.full_like(target, value), target)


@pytest.mark.parametrize("metric", METRICS)
def test_what_cannot_be_compared_is_refused(metric):
    target = speech()
    with pytest.raises(UsageError, match=r"shape \(32000,\).*\(31999,\)"):
        metric(target, target[:-1])
    with pytest.raises(UsageError, match="int16"):
        metric(np.zeros(9, np.int16), np.zeros(9))
    with pytest.raises(UsageError, match="empty"):
        metric(np.zeros(0), np.zeros(0))
    with pytest.raises(UsageError, match=r"not the shape \(2, 2, 8000\)"):
        metric(target.reshape(2, 2, -1), target.reshape(2, 2, -1))


@pytest.mark.parametrize("metric", METRICS[1:])
def test_speech_metrics_refuse_nan(metric):
    target = speech()
    broken = target.copy()
    broken[100] = math.nan
    with pytest.raises(UsageError, match="NaN or infinity, which the prediction holds"):
        metric(broken, target)


@needs_pystoi
def test_stoi_is_pystois_classic_measure():
    from pystoi import stoi as reference

    target = speech()
    prediction = noisy(target, 5)
    assert stoi(prediction, target, RATE) == reference(target, prediction, RATE, extended=False)
    assert abs(stoi(prediction, target, RATE) - reference(target, prediction, RATE, extended=True)) > 1e-3
    assert stoi(target, target, RATE) == pytest.approx(1, abs=1e-6)
    assert stoi(prediction, target, 10_000) != stoi(prediction, target, RATE)


@needs_pystoi
def test_stoi_needs_thirty_frames_of_sound():
    target = speech()
    prediction = noisy(target, 5)
    shortest = math.ceil(audio.STOI_SHORTEST_S * RATE)
    with pytest.raises(UsageError, match=r"at least 0\.41 s of sound, not 0\.1 s"):
        stoi(prediction[:1600], target[:1600], RATE)
    with pytest.raises(UsageError, match="STOI needs"):
        stoi(prediction[: shortest - 1], target[: shortest - 1], RATE)
    steady = 0.1 * np.sin(np.arange(shortest))
    assert 0 < stoi(noisy(steady, 5), steady, RATE) < 1
    mostly_still = np.where(np.arange(RATE) < 4000, steady[np.arange(RATE) % shortest], 0)
    with pytest.raises(UsageError, match="not silent"):
        stoi(noisy(mostly_still, 5), mostly_still, RATE)


@needs_pesq
def test_pesq_is_wide_band_at_16_khz_and_narrow_band_at_8_khz():
    from pesq import pesq as reference

    target = speech()
    prediction = noisy(target, 15)
    wide = reference(16_000, target, prediction, "wb")
    assert pesq(prediction, target, 16_000) == wide
    assert abs(wide - reference(16_000, target, prediction, "nb")) > 0.1
    low, low_prediction = speech(rate=8000), noisy(speech(rate=8000), 15)
    assert pesq(low_prediction, low, 8000) == reference(8000, low, low_prediction, "nb")
    assert pesq(target, target, 16_000) > 4.5


@needs_pesq
@pytest.mark.parametrize("rate", [11_025, 44_100])
def test_pesq_resamples_other_rates_to_16_khz(rate):
    from pesq import pesq as reference
    from scipy.signal import resample

    target = speech(2, rate)
    prediction = noisy(target, 15)
    # An independent resampler (Fourier) to 16 kHz, to within what the two filters differ by.
    at_16k = [resample(x, 2 * 16_000) for x in (target, prediction)]
    assert pesq(prediction, target, rate) == pytest.approx(reference(16_000, *at_16k, "wb"), abs=0.15)


@needs_pesq
def test_pesq_refuses_what_the_package_cannot_measure():
    target = speech(20)
    prediction = noisy(target, 15)
    with pytest.raises(UsageError, match=r"0\.25 s to 19 s of sound, not 0\.2 s"):
        pesq(prediction[:3200], target[:3200], RATE)
    with pytest.raises(UsageError, match=r"0\.25 s to 19 s of sound, not 20 s"):
        pesq(prediction, target, RATE)
    with pytest.raises(UsageError, match=r"PESQ cannot be computed: no utterances detected\."):
        pesq(prediction[:RATE], 1e-30 * target[:RATE], RATE)


@needs_pesq
def test_pesq_survives_as_many_utterances_as_fit():
    # Bursts as short and as close as the package tells apart (0.2 s, 0.2 s), for the longest sound that is let through.
    time = np.arange(int(audio.PESQ_LONGEST_S * RATE)) / RATE
    for period in (0.39, 0.41):
        target = np.where(time % period < 0.2, np.random.default_rng(0).standard_normal(len(time)) * 0.2, 0)
        assert 1 <= pesq(noisy(target, 20), target, RATE) <= 5


@pytest.mark.parametrize(("metric", "package"), [("stoi", "pystoi"), ("pesq", "pesq")])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, metric, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    sentence = missing_package(metric)
    extra = {"stoi": "audio", "pesq": "pesq"}[metric]
    assert f"package {package}" in sentence and sentence.endswith(f"pip install 'nint[{extra}]'.")
    with pytest.raises(UsageError, match=f"package {package}"):
        getattr(audio, metric)(speech(), speech(), RATE)


@pytest.mark.parametrize("rate", [0, -1, 16000.5, True, None])
def test_rates_that_cannot_be(rate):
    for metric, package in ((stoi, "pystoi"), (pesq, "pesq")):
        if has(package):
            with pytest.raises(UsageError, match="sample_rate_hz"):
                metric(speech(), speech(), rate)
