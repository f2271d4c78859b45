"""Sound quality: SI-SNR, STOI and PESQ of a prediction against a target. Of several channels, the mean."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.metrics.image import checked_pair
from nint.settings import whole

STOI_SHORTEST_S = 0.41
"""Of 31 frames of 25.6 ms, one every 12.8 ms: STOI needs 30, and the package leaves the last out."""

PESQ_SHORTEST_S = 0.25
PESQ_LONGEST_S = 19.0
"""The package has room for 50 utterances and crashes beyond them; each takes, with its pause, at least 0.388 s."""

SPEECH_RATES_HZ = (4000, 768_000)
"""Sample rates at which STOI and PESQ are computed. Lower ones hold too little of the bands that they compare (STOI's reach up to 4.3 kHz),
and resampling from odd rates beyond these takes gigabytes."""

_PACKAGES = {"stoi": ("STOI", "pystoi", "audio"), "pesq": ("PESQ", "pesq", "pesq")}


def si_snr(prediction: Any, target: Any) -> float:
    """Scale-invariant signal-to-noise ratio in dB, both sides with zero mean: 10 log10(|a t|^2 / |p - a t|^2), a = <p, t> / <t, t>.

    Args:
        prediction: `[n]` or `[n, c]` floats, array or tensor, on any scale.
        target: The same shape.

    Returns:
        dB; infinity for a scaled copy of the target, minus infinity where nothing of it is there, NaN where the prediction holds NaN.

    Raises:
        UsageError: where either is silent (one value everywhere) and the ratio so not defined, the shapes differ, or the values are not
            floats.

    Source: Le Roux et al., SDR - half-baked or well done?, 2019, with the means removed first.

    >>> import numpy as np
    >>> target = np.array([1.0, -1.0, 1.0, -1.0])
    >>> noise = np.array([0.1, 0.1, -0.1, -0.1])
    >>> round(si_snr(target + noise, target), 4)
    20.0
    >>> round(si_snr(5 - 3 * (target + noise), target), 4)
    20.0
    """
    return _mean(_si_snr(p, t) for p, t in _channels(prediction, target, "SI-SNR"))


def stoi(prediction: Any, target: Any, sample_rate_hz: int) -> float:
    """Short-time objective intelligibility, the classic measure, in about [0, 1], by the package pystoi.

    Args:
        prediction: `[n]` or `[n, c]` floats, array or tensor.
        target: The same shape.
        sample_rate_hz: Of both; the measure itself resamples to 10 kHz.

    Raises:
        UsageError: where the package is missing, the rate is not within `SPEECH_RATES_HZ`, either side is silent or not finite, or fewer
            than 30 frames of the target are not silent.

    Source: Taal et al., An algorithm for intelligibility prediction of time-frequency weighted noisy speech, 2011.
    """
    _check_package("stoi")
    rate = _speech_rate("STOI", sample_rate_hz)

    from pystoi import stoi as measure

    def score(p: np.ndarray, t: np.ndarray) -> float:
        if len(t) < STOI_SHORTEST_S * rate:
            raise UsageError(f"STOI needs at least {STOI_SHORTEST_S:g} s of sound, not {len(t) / rate:.3g} s.")
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # with which the package says that it returns a made-up value
            try:
                return float(measure(t, p, rate, extended=False))
            except RuntimeWarning as warning:
                raise UsageError(f"STOI needs 30 frames ({STOI_SHORTEST_S:g} s) of the target that are not silent.") from warning

    return _mean(score(p, t) for p, t in _channels(prediction, target, "STOI", finite=True))


def pesq(prediction: Any, target: Any, sample_rate_hz: int) -> float:
    """Perceptual evaluation of speech quality, a mean opinion score in about [1, 4.64], by the package pesq.

    Wide band at 16 kHz. At 8 kHz it is narrow band, another scale. All other rates are resampled to 16 kHz (polyphase) and are wide band.

    Args:
        prediction: `[n]` or `[n, c]` floats, array or tensor.
        target: The same shape.
        sample_rate_hz: Of both.

    Raises:
        UsageError: where the package is missing, the rate is not within `SPEECH_RATES_HZ`, either side is silent or not finite, the sound
            lasts less than 0.25 s or more than 19 s, or no utterance is found in it.

    Source: ITU-T P.862.2 (wide band) and P.862.1 (narrow band), as in the package.
    """
    _check_package("pesq")
    rate = _speech_rate("PESQ", sample_rate_hz)

    from pesq import pesq as measure

    def score(p: np.ndarray, t: np.ndarray) -> float:
        if not PESQ_SHORTEST_S * rate <= len(t) <= PESQ_LONGEST_S * rate:
            raise UsageError(f"PESQ needs {PESQ_SHORTEST_S:g} s to {PESQ_LONGEST_S:g} s of sound, not {len(t) / rate:.3g} s.")
        mode, used = ("nb", 8000) if rate == 8000 else ("wb", 16_000)
        try:
            return float(measure(used, _resampled(t, rate, used), _resampled(p, rate, used), mode))
        except (RuntimeError, ValueError) as error:
            reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
            raise UsageError(f"PESQ cannot be computed: {reason.lower()}.") from error

    return _mean(score(p, t) for p, t in _channels(prediction, target, "PESQ", finite=True))


def missing_package(metric: str) -> str:
    """A sentence on the package that "stoi" or "pesq" lacks; empty where it is there."""
    label, package, extra = _PACKAGES[metric]
    if importlib.util.find_spec(package):
        return ""
    built = " (built from source, with a C compiler)" if package == "pesq" else ""
    return f"{label} needs the package {package}{built}; pip install 'nint[{extra}]'."


def is_silent(samples: np.ndarray) -> bool:
    """Whether one channel `[n]` has the same value everywhere."""
    return bool((samples == samples[0]).all())


def _check_package(metric: str) -> None:
    if sentence := missing_package(metric):
        raise UsageError(sentence)


def _speech_rate(label: str, sample_rate_hz: int) -> int:
    rate, (low, high) = whole(sample_rate_hz, "sample_rate_hz"), SPEECH_RATES_HZ
    if not low <= rate <= high:
        raise UsageError(f"{label} needs a sample rate from {low} to {high} Hz, not {rate} Hz.")
    return rate


def _si_snr(p: np.ndarray, t: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):  # infinity becomes NaN
        p, t = p - p.mean(), t - t.mean()
        heard = (p * t).sum() / (t * t).sum() * t  # not p @ t: NumPy's BLAS threads go on spinning beside the training
        noise = p - heard
    signal_power, noise_power = float((heard * heard).sum()), float((noise * noise).sum())
    if math.isnan(noise_power):
        return math.nan
    if noise_power == 0:
        return math.inf
    return 10 * math.log10(signal_power / noise_power) if signal_power > 0 else -math.inf


def _resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    if rate == to:
        return samples

    from scipy.signal import resample_poly

    common = math.gcd(rate, to)
    return np.asarray(resample_poly(samples, to // common, rate // common))


def _mean(scores: Iterator[float]) -> float:
    found = list(scores)
    return sum(found) / len(found)


def _channels(prediction: Any, target: Any, label: str, finite: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Splits prediction and target into channels.

    Yields:
        (prediction, target) of each channel, `[n]` float64.

    Raises:
        UsageError: for samples that are not `[n]` or `[n, c]`, one that is silent, or, where `finite`, NaN or infinity.
    """
    left, right = checked_pair(prediction, target)
    if left.ndim not in (1, 2):
        raise UsageError(f"{label} needs samples [n] or [n, channels], not the shape {left.shape}.")
    for channel in range(1 if left.ndim == 1 else left.shape[1]):
        p, t = (np.ascontiguousarray(x if x.ndim == 1 else x[:, channel], np.float64) for x in (left, right))
        for side, x in (("prediction", p), ("target", t)):
            if finite and not np.isfinite(x).all():
                raise UsageError(f"{label} is not defined for NaN or infinity, which the {side} holds.")
            if is_silent(x):
                raise UsageError(f"{label} is not defined for silence, and the {side} has one value everywhere.")
        yield p, t
