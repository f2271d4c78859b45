import importlib.util
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import nint
from nint.errors import UsageError
from nint.metrics.audio import si_snr
from nint.runs.model import Fit
from nint.signals.audio import remarks as audio_remarks
from nint.signals.audio import signal as audio
from nint.signals.audio.files import Audio, read_audio, write_audio
from nint.signals.audio.layout import AudioLayout
from nint.signals.audio.remarks import clipped_samples
from nint.signals.audio.signal import AudioSignal, load_audio
from nint.signals.base import GridCoords
from nint.signals.kinds import detect_kind
from nint.signals.open import layout_from_json, open_signal
from nint.signals.samples import audio as audio_samples

soundfile = pytest.importorskip("soundfile", reason="audio files need the optional package soundfile")
SPEECH = Path(__file__).parents[3].parent / "shared" / "data" / "speech" / "00.flac"
FIELD = "siren:size=2x16"


def has(package):
    return importlib.util.find_spec(package) is not None


def voice(frames=8000, channels=1, rate=16_000, seed=0):
    """A tone in bursts, another in each channel, with a little noise."""
    time = np.arange(frames)[:, None] / rate
    tone = np.sin(2 * np.pi * time * (220 + 110 * np.arange(channels))) * (0.2 + np.abs(np.sin(2 * np.pi * 3 * time)))
    return (0.4 * tone + 0.01 * np.random.default_rng(seed).standard_normal((frames, channels))).astype(np.float32)


def memory_of(signal):
    """Predicts the signal's own values, whatever is asked in order."""
    coords = np.linspace(-5, 5, signal.layout.frames)

    def predict(rows):
        at = np.abs(rows[:].double().numpy()[:, :1] - coords[None]).argmin(1) if len(rows) < 50 else np.arange(len(rows))
        return torch.from_numpy((signal.samples[at] + 1) / 2)

    return predict


def wave(channels=1):
    """A smooth function of the coordinate, within [0, 1]."""

    def predict(rows):
        x = rows[:].double()
        return (0.5 + 0.4 * torch.sin(x * torch.arange(1, channels + 1))).float()

    return predict


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_the_pool_is_every_sample_in_order(channels):
    signal = AudioSignal(voice(500, channels), 16_000)
    pool = signal.pool("cpu")
    assert pool.grid == (500,) and pool.value_range == (0.0, 1.0) and len(pool) == 500
    assert (pool.in_features, pool.out_features) == (1, channels) == (signal.layout.in_features, signal.layout.out_features)
    assert np.allclose(pool.coords[:, 0].numpy(), np.linspace(-5, 5, 500), atol=1e-6)
    assert pool.coords[0] == -5 and pool.coords[-1] == 5
    exact = (signal.samples.astype(np.float64) + 1) / 2
    assert pool.values.dtype == torch.float32 and np.abs(pool.values.numpy() - exact).max() <= 2**-25
    assert signal.redraw(pool, 3, 0) is pool


def test_coordinates_are_a_tensor_until_they_are_many(monkeypatch):
    monkeypatch.setattr(audio, "MEASURE_UP_TO", 100)
    assert isinstance(AudioSignal(voice(100), 8000).pool("cpu").coords, torch.Tensor)
    assert isinstance(AudioSignal(voice(101), 8000).pool("cpu").coords, GridCoords)


def test_defaults_are_the_papers():
    defaults = AudioSignal.defaults
    assert (defaults.batch_share, defaults.omega_0, defaults.total_steps) == (0.2, 30.0, 5000)
    assert "Table 6" in defaults.source


def test_every_16_bit_value_survives_its_value_and_back(tmp_path):
    numbers = np.arange(-(2**15), 2**15).astype(np.int16)
    signal = AudioSignal(numbers, 16_000)
    assert signal.layout == AudioLayout(2**16, 1, 16_000, "PCM_16")
    decoded = signal.layout.decode(memory_of(signal))
    signal.layout.write(decoded, tmp_path / "a.wav")
    assert np.array_equal(soundfile.read(str(tmp_path / "a.wav"), dtype="int16")[0], numbers)


def test_decode_is_float32_and_clipped():
    levels = torch.tensor([-3.0, -math.inf, 0.0, 0.25, 0.5, 1.0, 1.5, math.inf], requires_grad=True)
    found = AudioLayout(8, 1, 8000).decode(lambda rows: levels[:, None])
    assert isinstance(found, Audio) and found.samples.dtype == np.float32
    assert found.samples[:, 0].tolist() == [-1, -1, -1, -0.5, 0, 1, 1, 1]
    with pytest.raises(UsageError, match="NaN"):
        AudioLayout(8, 1, 8000).decode(lambda rows: rows[:] * math.nan)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [None, 16_000, 8000, 44_100, 48_000, 11_111, 100, 1])
def test_decode_at_another_rate_samples_the_same_instants(rate, channels):
    layout = AudioLayout(4000, channels, 16_000, "PCM_24")
    found = layout.decode(wave(channels), rate=rate)
    new = rate or 16_000
    assert found.samples.shape == (max(1, round(0.25 * new)), channels)
    assert (found.sample_rate_hz, found.subtype) == (new, "PCM_24")
    instants = np.arange(len(found.samples)) / new  # seconds
    coords = -5 + 10 * instants / (3999 / 16_000)  # the last fitted sample lies at 5
    expected = 2 * (0.5 + 0.4 * np.sin(coords[:, None] * np.arange(1, channels + 1))) - 1
    assert np.abs(found.samples - expected).max() <= 1e-5


def test_the_fitted_rate_asks_for_the_very_coordinates_of_the_pool():
    signal = AudioSignal(voice(1234), 11_025)
    asked = []
    signal.layout.decode(lambda rows: asked.append(rows) or wave()(rows))
    assert torch.equal(torch.cat(asked), signal.pool("cpu").coords)


def test_blocks_change_nothing(monkeypatch):
    layout = AudioLayout(1000, 2, 16_000)
    whole = layout.decode(wave(2), rate=12_345).samples
    monkeypatch.setattr("nint.signals.audio.layout._BLOCK_POINTS", 77)
    sizes = []
    found = layout.decode(lambda rows: sizes.append(len(rows)) or wave(2)(rows), rate=12_345).samples
    assert np.array_equal(found, whole) and max(sizes) == 77 and sum(sizes) == len(whole)


@pytest.mark.parametrize("rate", [0, -1, 44_100.5, True, "x", math.nan])
def test_rates_that_cannot_be(rate):
    with pytest.raises(UsageError, match="rate="):
        AudioLayout(10, 1, 8000).decode(wave(), rate=rate)


def test_a_rate_that_does_not_fit_in_memory():
    with pytest.raises(UsageError, match="do not fit in memory"):
        AudioLayout(2**40, 1, 1).decode(wave(), rate=2**20)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (AudioLayout(32_000, 1, 16_000), "2 s of mono audio, 16000 Hz, 16 bits"),
        (AudioLayout(48_321, 2, 48_000, "PCM_24"), "1.007 s of stereo audio, 48000 Hz, 24 bits"),
        (AudioLayout(10, 6, 8000, "FLOAT"), "0.00125 s of 6-channel audio, 8000 Hz, 32-bit float"),
        (AudioLayout(8000, 1, 8000, "MPEG_LAYER_III"), "1 s of mono audio, 8000 Hz, MP3"),
    ],
)
def test_describe_and_json(layout, text):
    assert layout.describe() == text
    assert layout_from_json(json.loads(json.dumps(layout.to_json()))) == layout


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((0, 1, 8000), "frames=0|frames=None"),
        ((1, 1, 8000), "frames=1"),
        ((10.0, 1, 8000), "frames"),
        ((10, 0, 8000), "channels=0"),
        ((10, 1, -8000), "sample_rate_hz=-8000"),
        ((10, 1, "8000"), "sample_rate_hz"),
        ((10, 1, True), "sample_rate_hz=True"),
        ((10, 1, 8000, "PCM_61"), "subtype=PCM_61 is not known.*'PCM_16'"),
        ((10, 1, 8000, 7), "subtype=7"),
        ((10, 1, 8000, ["PCM_16"]), "subtype="),
    ],
)
def test_layouts_that_cannot_be(values, word):
    with pytest.raises(UsageError, match=f"audio layout: .*({word})"):
        AudioLayout(*values)


@pytest.mark.parametrize(
    ("samples", "word"),
    [
        (np.zeros((0, 1)), "has no samples"),
        (np.zeros(0), "has no samples"),
        (np.array([0.5]), "a single sample"),
        (np.array([[0.5, 0.2]]), "a single sample"),
        (np.zeros(100), "silent: every sample has the same value"),
        (np.full((100, 2), (0.25, -0.5)), "silent"),
        (np.full(100, 77, np.int16), "silent"),
        (np.array([0.1, np.nan, 0.2]), "NaN or infinity"),
        (np.array([0.1, -np.inf, 0.2]), "NaN or infinity"),
        (np.array([0.1, 3000.0, -0.2]), "from -0.2 to 3000; scale floats"),
        (np.array([0.1, -2.1]), "scale floats"),
        (np.arange(100), "int64"),
        (np.arange(100, dtype=np.uint8), "uint8"),
        (np.ones(9, complex), "complex"),
        (np.array([None, 1.0]), "object"),
        (np.zeros((2, 100)), "channels seem to come first"),
        (np.zeros((9, 2, 2)), "audio is"),
        (np.zeros((9, 0)), "audio is"),
    ],
)
def test_samples_that_cannot_be_fitted(samples, word):
    with pytest.raises(UsageError, match=word) as caught:
        AudioSignal(samples, 16_000, name="mine")
    text = str(caught.value)
    assert "'mine'" in text and text.endswith(".") and "\n" not in text


def test_samples_are_copied():
    samples = voice(100, 2)
    signal = AudioSignal(samples, 8000)
    before = signal.fingerprint()
    samples[:] = 0
    assert signal.fingerprint() == before and signal.samples.max() > 0
    assert signal.layout.subtype == "FLOAT"


def test_fingerprint_sees_content_shape_rate_and_depth():
    base = voice(100, 2)
    changed = base.copy()
    changed[7, 1] += 1e-6
    signals = [
        AudioSignal(base, 8000),
        AudioSignal(changed, 8000),
        AudioSignal(base, 8001),
        AudioSignal(base, 8000, subtype="PCM_16"),
        AudioSignal(base.reshape(-1), 8000),
    ]
    prints = [signal.fingerprint() for signal in signals]
    assert len(set(prints)) == len(prints) and all(len(text) == 16 for text in prints)
    assert AudioSignal(base.copy(), 8000, name="other").fingerprint() == prints[0]


def test_evaluate_scores_the_decoded_waveform():
    signal = AudioSignal(voice(9600, 2), 16_000)
    rng = np.random.default_rng(0)
    values = (signal.samples + 1) / 2 + 0.05 * rng.standard_normal(signal.samples.shape)
    values[5] = 1.7  # beyond full scale
    found = signal.evaluate(lambda rows: torch.from_numpy(values))
    heard = 2 * np.clip(values, 0, 1) - 1
    assert found["si_snr"] == pytest.approx(np.mean([si_snr(heard[:, c], signal.samples[:, c].astype(float)) for c in (0, 1)]), abs=1e-4)
    error = np.mean((np.clip(values, 0, 1) - (signal.samples.astype(float) + 1) / 2) ** 2)
    assert found["psnr"] == pytest.approx(10 * math.log10(1 / error), rel=1e-6)
    expected = ["si_snr", *(["stoi"] if has("pystoi") else []), *(["pesq"] if has("pesq") else []), "psnr"]
    assert list(found) == expected and set(found) <= set(AudioSignal.metrics)
    perfect = signal.evaluate(memory_of(signal))
    assert perfect["si_snr"] > 120 and perfect["psnr"] > 120


def test_metrics_that_cannot_be_computed_are_absent():
    short = AudioSignal(voice(1000), 16_000)  # 0.06 s
    assert list(short.evaluate(wave())) == ["si_snr", "psnr"]
    constant = AudioSignal(voice(), 16_000).evaluate(lambda rows: torch.full((len(rows), 1), 0.3))
    assert list(constant) == ["psnr"]
    broken = AudioSignal(voice(), 16_000).evaluate(lambda rows: torch.full((len(rows), 1), math.nan))
    assert list(broken) == ["si_snr", "psnr"] and all(math.isnan(value) for value in broken.values())


def test_a_silent_channel_is_left_out_of_the_means():
    samples = voice(9600, 3)
    samples[:, 1] = 0
    signal = AudioSignal(samples, 16_000, name="mine")
    rest = AudioSignal(samples[:, [0, 2]], 16_000)
    found = signal.evaluate(wave(3))
    expected = rest.evaluate(lambda rows: wave(3)(rows)[:, [0, 2]])
    assert {name: found[name] for name in found if name != "psnr"} == {name: expected[name] for name in expected if name != "psnr"}
    assert any("Channel 2 of 'mine' is silent" in sentence for sentence in signal.report())


def test_nothing_to_report_of_a_sound_as_it_should_be():
    signal = AudioSignal(voice(8000), 16_000)
    missing = 2 - has("pystoi") - has("pesq")
    assert len(signal.report()) == missing


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_S8", "ULAW"])
def test_8_bits_are_said(subtype):
    sentences = AudioSignal(voice(), 16_000, subtype=subtype).report()
    assert any("8 bits" in sentence for sentence in sentences)


@pytest.mark.parametrize(("subtype", "top"), [("PCM_U8", 127 / 128), ("PCM_16", 32767 / 32768), ("FLOAT", 1.0), ("MPEG_LAYER_III", 1.0)])
def test_clipping_is_said_and_counted(subtype, top):
    samples = np.clip(voice(8000, 2) * 2.2, -1, top).astype(np.float32)
    count = 0
    for channel in samples.T:
        runs = [len(list(run)) for full, run in itertools.groupby(channel, lambda value: abs(value) >= top) if full]
        assert max(runs) > 3
        count += sum(length for length in runs if length >= 3)
    sentences = AudioSignal(samples, 16_000, subtype=subtype, name="loud").report()
    assert any(f"'loud' is clipped: {count} of its 16000 samples" in sentence for sentence in sentences)


def test_single_peaks_are_no_clipping():
    def count(row):
        return clipped_samples(np.array(row, float)[:, None], 1.0)

    assert count([0, 1, 0, 1, 1, 0, -1, 1, 0]) == 0
    assert count([0, 1, 1, 1, 0, -1, -1, -1, -1, 0, 1, 1]) == 7
    assert count([1, 1, 1]) == 3 and count([1, 1]) == 0


def test_beyond_full_scale_is_clipped_and_said():
    samples = voice(8000)
    samples[100:105] = 1.2
    samples[200] = -1.5
    signal = AudioSignal(samples, 16_000, subtype="VORBIS", name="loud")
    assert signal.samples.max() == 1 and signal.samples.min() == -1
    assert any("6 of the 8000 samples of 'loud' lie beyond full scale" in sentence for sentence in signal.report())


@pytest.mark.parametrize(
    ("rate", "frames", "word"),
    [
        (44_100, 44_100, "no measure at 44100 Hz; it is computed after resampling to 16000 Hz"),
        (8000, 8000, "narrow-band"),
        (16_000, 16_000 * 20, "PESQ is left out: it needs 0.25 s to 19 s"),
        (16_000, 3000, "PESQ is left out"),
        (16_000, 3000, "STOI is left out: it needs at least 0.41 s"),
    ],
)
def test_what_happens_to_the_metrics_is_said(monkeypatch, rate, frames, word):
    monkeypatch.setattr("nint.signals.audio.remarks.missing_package", lambda metric: "")
    assert any(word in sentence for sentence in audio_remarks.metric_notes(AudioLayout(frames, 1, rate)))


def test_missing_packages_are_said_once_each(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    sentences = AudioSignal(voice(1000), 44_100).report()
    assert len(sentences) == 2 and "pystoi" in sentences[0] and "pesq" in sentences[1]
    assert list(AudioSignal(voice(), 16_000).evaluate(wave())) == ["si_snr", "psnr"]


def test_samples_that_float32_coordinates_cannot_tell_apart_are_said():
    signal = AudioSignal(voice(100), 16_000, gain=1.0)
    object.__setattr__(signal.layout, "frames", 30_000_000)
    assert any(
        "cannot tell all of them apart" in sentence
        for sentence in audio_remarks.faults(signal.samples, signal.layout, signal.name, signal.beyond)
    )
    axis = GridCoords((30_000_000,), -5, 5)[torch.arange(29_990_000, 30_000_000)]
    assert len(axis.unique()) < 10_000
    object.__setattr__(signal.layout, "frames", 15_000_000)
    assert not audio_remarks.faults(signal.samples, signal.layout, signal.name, signal.beyond)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("ending", "subtype"),
    [
        (".wav", "PCM_16"),
        (".wav", "PCM_24"),
        (".wav", "FLOAT"),
        (".wav", "PCM_U8"),
        (".flac", "PCM_16"),
        (".ogg", "VORBIS"),
        (".mp3", "MPEG_LAYER_III"),
    ],
)
def test_file_to_fit_to_file(tmp_path, ending, subtype, channels):
    source = tmp_path / f"in{ending}"
    write_audio(Audio(voice(1600, channels), 16_000, subtype), source)
    fit = nint.fit(source, field=FIELD, budget=2, start=0.01, duration=0.05, seed=1)
    decoded = fit.decode()
    assert decoded.samples.shape == (800, channels) and decoded.sample_rate_hz == 16_000
    fit.save(tmp_path / "model.safetensors")
    again = nint.Fit.load(tmp_path / "model.safetensors")
    assert again.layout == AudioLayout(800, channels, 16_000, subtype)
    again.write(tmp_path / f"out{ending}")
    back = read_audio(tmp_path / f"out{ending}")
    assert (back.samples.shape, back.sample_rate_hz, back.subtype) == ((800, channels), 16_000, subtype)
    if subtype in ("PCM_16", "PCM_24", "FLOAT"):
        assert np.abs(back.samples - decoded.samples).max() <= 2**-16
    again.write(tmp_path / "other.flac", rate=22_050)
    other = read_audio(tmp_path / "other.flac")
    assert (other.samples.shape, other.sample_rate_hz) == ((round(0.05 * 22_050), channels), 22_050)


def test_the_kind_is_told_by_the_ending_and_the_part_is_taken(tmp_path):
    path = tmp_path / "a.WAV"
    write_audio(Audio(voice(16_000), 16_000), path)
    assert detect_kind(path) == "audio"
    signal = open_signal(path, start=0.25, duration=0.5)
    assert isinstance(signal, AudioSignal) and signal.name == "a.WAV"
    assert np.array_equal(signal.samples, load_audio(path).samples[4000:12_000])
    with pytest.raises(UsageError, match="--max-side does not apply to audio"):
        open_signal(path, max_side=5)


def test_files_that_cannot_be_fitted(tmp_path):
    path = tmp_path / "a.wav"
    for samples, subtype, word in (
        (np.zeros((900, 2)), "PCM_16", "'a.wav' is silent"),
        (np.array([[0.0], [np.nan]]), "FLOAT", "'a.wav' holds NaN"),
        (np.array([[0.0], [500.0]]), "FLOAT", "'a.wav' holds samples from 0 to 500"),
        (np.array([[0.5]]), "PCM_16", "'a.wav' has a single sample"),
    ):
        soundfile.write(str(path), samples, 16_000, subtype=subtype)
        with pytest.raises(UsageError, match=word):
            load_audio(path)
    silence_then_sound = np.concatenate([np.zeros((8000, 1)), voice(8000)])
    write_audio(Audio(silence_then_sound, 16_000), path)
    with pytest.raises(UsageError, match="silent"):
        load_audio(path, duration=0.5)
    assert load_audio(path, start=0.5).layout.frames == 8000


def test_the_chirp_is_synthetic_and_says_so():
    description, make = audio_samples.SAMPLES["chirp"]
    signal = make()
    assert "synthetic" in description and description.startswith("2 s of mono audio, 16000 Hz")
    assert signal.name == "sample:chirp" and signal.layout == AudioLayout(32_000, 1, 16_000, "PCM_16")
    assert not audio_remarks.faults(signal.samples, signal.layout, signal.name, signal.beyond) and np.abs(signal.samples).max() < 0.81
    assert np.array_equal(make(start=0.5, duration=1).samples, signal.samples[8000:24_000])
    for start, frequency in ((0.2, 100 * 40**0.1), (1.0, 100 * 40**0.5), (1.75, 100 * 40**0.875)):
        part = signal.samples[int((start - 0.05) * 16_000) : int((start + 0.05) * 16_000), 0]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert spectrum.argmax() * 10 == pytest.approx(frequency, abs=0.1 * frequency + 10)
    with pytest.raises(UsageError, match="does not apply"):
        open_signal("sample:chirp", max_side=3)
    with pytest.raises(UsageError, match="sample:chirp"):
        make(start=2)
    assert np.array_equal(open_signal("sample:chirp", duration=0.1).samples, signal.samples[:1600])


@pytest.mark.parametrize("sampler", ["nint", "uniform", "full", "evos", "int"])
def test_samplers_run_on_the_chirp(sampler):
    fit = nint.fit("sample:chirp", start=0.5, duration=0.25, field=FIELD, sampler=sampler, budget=5, total_steps=20, eval_every=5)
    assert fit.record["steps"] == 5 and fit.record["points"] == 4000
    assert math.isfinite(fit.metrics["si_snr"]) and fit.metrics["psnr"] > 0
    assert fit.decode().samples.shape == (4000, 1)


def test_samplers_for_images_refuse_it():
    with pytest.raises(UsageError, match=r"2-D grid.*1-D grid"):
        nint.fit("sample:chirp", field=FIELD, sampler="egra", budget=1)


def test_si_snr_rises_as_the_fit_goes_on():
    time = np.arange(2000) / 16_000
    signal = AudioSignal((0.5 * np.sin(2 * np.pi * 40 * time)).astype(np.float32), 16_000)
    fit = nint.fit(signal, field="siren:size=2x32", sampler="uniform", budget=150, lr=1e-3, eval_every=50)
    scores = [row["si_snr"] for row in fit.record["curve"]]
    assert len(scores) == 3 and scores[-1] > 10 and scores[-1] > scores[0]


@pytest.mark.skipif(not SPEECH.is_file(), reason="needs the LibriSpeech clip beside the repository")
def test_a_real_clip():
    signal = load_audio(SPEECH, start=0, duration=2)
    assert signal.layout == AudioLayout(32_000, 1, 16_000, "PCM_16")
    found = signal.evaluate(memory_of(signal))
    assert found["si_snr"] > 60 and (not has("pesq") or found["pesq"] > 4.6) and (not has("pystoi") or found["stoi"] > 0.999)


class _OfTime(nn.Module):
    """An exact sound of a duration: a function of the time in seconds at which a coordinate lies."""

    def __init__(self, layout, function):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.last, self.function = (layout.frames - 1) / layout.sample_rate_hz, function

    def forward(self, coords):
        seconds = (coords[:, :1].double() + 5) / 10 * self.last
        return (0.5 + 0.5 * self.function(seconds)).float() + 0 * self.unused


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_a_model_is_measured_at_the_times_of_an_input_of_another_rate(rate):
    def tone(seconds):
        return 0.6 * torch.sin(2 * torch.pi * 440 * seconds) + 0.2 * torch.sin(2 * torch.pi * 3000 * seconds)

    def sound(at):
        return AudioSignal(tone(torch.arange(at, dtype=torch.float64)[:, None] / at).numpy().astype(np.float32), at)

    model = Fit(_OfTime(sound(16_000).layout, tone), None, sound(16_000).layout)
    measured = model.evaluate(sound(rate))
    assert measured["si_snr"] > 60 and measured["psnr"] > 70
    decoded = model.decode(rate=rate).samples
    assert measured["si_snr"] == pytest.approx(si_snr(decoded, sound(rate).samples), abs=6)


@pytest.mark.skipif(not has("pystoi"), reason="STOI needs pystoi, from the extra nint[audio]")
def test_a_channel_with_too_little_voice_is_named_and_left_out_of_the_mean():
    left = voice(frames=16_000)
    right = np.where(np.arange(16_000)[:, None] < 2000, voice(frames=16_000, seed=1), 0).astype(np.float32)
    signal = AudioSignal(np.concatenate([left, right], axis=1), 16_000, name="both")
    found = signal.evaluate(memory_of(signal))
    assert found["stoi"] == pytest.approx(AudioSignal(left, 16_000).evaluate(memory_of(AudioSignal(left, 16_000)))["stoi"], abs=1e-6)
    said = [line for line in signal.report() if "too little for STOI and PESQ" in line]
    assert len(said) == 1 and said[0].startswith("Channel 2 of 'both'") and said[0].endswith("they are means over the others.")
    alone = AudioSignal(right, 16_000, name="one")
    assert "stoi" not in alone.evaluate(memory_of(alone))
    assert any(line.startswith("'one' is silent but for less than") and line.endswith("they are left out.") for line in alone.report())
