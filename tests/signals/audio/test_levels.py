"""Sounds of any level: trained on at one level, decoded at their own; and what else a sound file carries."""

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import nint
from nint.errors import UsageError
from nint.metrics.audio import stoi
from nint.signals.audio import files as audio_files
from nint.signals.audio import layout as audio_layout
from nint.signals.audio.files import Audio, read_audio, write_audio
from nint.signals.audio.layout import AudioLayout
from nint.signals.audio.signal import QUIET, AudioSignal, load_audio
from nint.signals.open import layout_from_json

soundfile = pytest.importorskip("soundfile", reason="audio files need the optional package soundfile")
QUIET_FILE = Path(__file__).parents[3].parent / "shared" / "cases" / "audio" / "quiet.wav"
RATE = 16_000


def tone(peak, frames=4000, channels=1):
    time = np.arange(frames)[:, None] / RATE
    wave = np.sin(2 * np.pi * time * (310 + 95 * np.arange(channels))) * np.linspace(0.2, 1, frames)[:, None]
    return peak * wave / np.abs(wave).max()


def perfect(signal):
    """Predicts the signal's own training values, in order."""
    values = signal.pool("cpu").values
    return lambda rows: values if len(rows) == len(values) else pytest.fail("asked for other rows")


def psnr_of_silence(samples, peak):
    """Of a prediction of 0.5 everywhere, with values (w / peak + 1) / 2: by hand, in float64."""
    return -10 * math.log10(float(np.mean((samples / peak / 2) ** 2)))


@pytest.mark.parametrize("peak", [1.0, 0.8, 0.25, 0.2499, 0.009, 1e-5, 1e-30])
def test_only_quiet_sounds_have_a_gain_and_each_decodes_to_its_own_level(peak):
    samples = tone(peak)
    signal = AudioSignal(samples, RATE)
    assert signal.layout.gain == pytest.approx(1 if peak >= QUIET else peak, rel=1e-6)
    assert (signal.layout.gain == 1) == (peak >= QUIET)
    decoded = signal.layout.decode(perfect(signal)).samples
    assert np.abs(decoded - samples).max() <= 1e-6 * max(peak, signal.layout.gain)
    assert signal.scaling() == {"low": -signal.layout.gain, "high": signal.layout.gain}


def test_the_level_changes_neither_what_is_trained_on_nor_what_is_measured():
    signals = [AudioSignal(tone(peak), RATE) for peak in (0.2499, 0.009, 1e-5)]
    pools = [signal.pool("cpu").values.numpy() for signal in signals]
    for other in pools[1:]:
        assert np.abs(other - pools[0]).max() < 1e-6
    fits = [nint.fit(signal, field="siren:size=1x16", budget=30, seed=1) for signal in signals]
    for name in ("si_snr", "psnr"):
        found = [fit.metrics[name] for fit in fits]
        assert max(found) - min(found) < 0.05, name
    loudest = [np.abs(fit.decode().samples).max() / signal.layout.gain for fit, signal in zip(fits, signals, strict=True)]
    assert max(loudest) / min(loudest) < 1.01


def test_psnr_of_a_quiet_sound_is_relative_to_its_peak_and_of_others_to_full_scale():
    def silent(rows):
        return torch.full((len(rows), 1), 0.5)

    for peak, reference in ((0.009, 0.009), (0.24, 0.24), (0.3, 1.0), (1.0, 1.0)):
        samples = tone(peak)
        found = AudioSignal(samples, RATE).evaluate(silent)["psnr"]
        assert found == pytest.approx(psnr_of_silence(samples, reference), abs=1e-3)


def test_the_amplification_is_said():
    said = " ".join(AudioSignal(tone(0.009), RATE, name="far.wav").report())
    assert "'far.wav' is quiet, with a peak of 0.009 of full scale: it is amplified 111.1 times" in said
    assert "quiet" not in " ".join(AudioSignal(tone(0.3), RATE).report())


def test_stereo_keeps_its_balance(tmp_path):
    samples = tone(0.1, channels=2) * [1, 0.01]
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="PCM_24")
    signal = load_audio(tmp_path / "a.wav")
    signal.layout.write(signal.layout.decode(perfect(signal)), tmp_path / "b.wav")
    before, after = (soundfile.read(tmp_path / name, dtype="int32")[0] >> 8 for name in ("a.wav", "b.wav"))
    assert np.abs(before - after).max() <= 1


def test_models_without_a_gain_decode_as_before():
    layout = layout_from_json({"kind": "audio", "frames": 4, "channels": 1, "sample_rate_hz": 8000, "subtype": "PCM_16"})
    assert layout.gain == 1 and layout.channel_mask == 0 and layout.value_range == (0, 1)
    decoded = layout.decode(lambda rows: torch.tensor([[0.0], [0.25], [0.75], [1.0]])).samples[:, 0]
    assert decoded.tolist() == [-1, -0.5, 0.5, 1]


@pytest.mark.parametrize("gain", [0, -1, 1.5, math.nan, math.inf, True, "1", None])
def test_gains_that_cannot_be(gain):
    with pytest.raises(UsageError, match="gain="):
        AudioLayout(10, 1, 8000, gain=gain)


def test_sounds_of_another_level_are_not_measured_against_each_other():
    quiet, other, loud = (AudioSignal(tone(peak), RATE).layout for peak in (0.009, 0.0091, 0.5))
    quiet.check_comparable(AudioSignal(tone(0.009), RATE).layout)
    loud.check_comparable(AudioSignal(tone(0.9), RATE).layout)
    for layout in (other, loud):
        with pytest.raises(UsageError, match="their values do not mean the same"):
            quiet.check_comparable(layout)


def test_the_fingerprint_sees_the_gain():
    samples = tone(0.009)
    assert AudioSignal(samples, RATE).fingerprint() != AudioSignal(samples, RATE, gain=1.0).fingerprint()


def test_a_gain_below_the_peak_is_refused():
    with pytest.raises(UsageError, match="below the peak"):
        AudioSignal(tone(0.5), RATE, gain=0.4)


@pytest.mark.skipif(not QUIET_FILE.is_file(), reason="needs the cases beside the repository")
def test_the_quiet_recording():
    samples, rate = soundfile.read(QUIET_FILE, always_2d=True)
    peak = np.abs(samples).max()
    signal = load_audio(QUIET_FILE)
    assert rate == signal.layout.sample_rate_hz and signal.layout.gain == pytest.approx(peak, rel=1e-6)
    assert np.abs(signal.layout.decode(perfect(signal)).samples - samples).max() < 2**-23
    fit = nint.fit(signal, field="siren:size=2x64", budget=200, seed=0)
    loud = nint.fit(AudioSignal(samples / peak * 0.9, rate), field="siren:size=2x64", budget=200, seed=0)
    assert fit.metrics["si_snr"] == pytest.approx(loud.metrics["si_snr"], abs=1.5)
    assert np.abs(fit.decode().samples).max() <= peak * (1 + 1e-6)


def masked_wav(path, mask, samples=None, rate=48_000):
    """A WAV of 16 bits with an extensible header, byte by byte."""
    samples = np.zeros((50, 6), "<i2") if samples is None else samples
    channels, data = samples.shape[1], samples.astype("<i2").tobytes()
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    chunk = struct.pack("<HHIIHHHHI", 0xFFFE, channels, rate, rate * channels * 2, channels * 2, 16, 22, 16, mask) + guid
    body = b"WAVE" + b"JUNK" + struct.pack("<I", 5) + b"12345\0" + b"fmt " + struct.pack("<I", len(chunk)) + chunk
    body += b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def mask_of(path):
    """The last four bytes but the sixteen of the format's identifier."""
    data = path.read_bytes()
    start = data.index(b"fmt ") + 8
    assert data[start : start + 2] == b"\xfe\xff"
    return struct.unpack("<I", data[start + 20 : start + 24])[0]


@pytest.mark.parametrize("mask", [0x3F, 0x60F, 0x80000000])
def test_the_channel_mask_is_kept(tmp_path, mask):
    samples = np.random.default_rng(0).integers(-20_000, 20_000, (50, 6))
    masked_wav(tmp_path / "a.wav", mask, samples)
    signal = load_audio(tmp_path / "a.wav")
    assert signal.layout.channel_mask == mask and layout_from_json(signal.layout.to_json()) == signal.layout
    signal.layout.write(signal.layout.decode(perfect(signal)), tmp_path / "b.wav")
    assert mask_of(tmp_path / "b.wav") == mask
    assert np.array_equal(soundfile.read(tmp_path / "b.wav", dtype="int16")[0], samples)
    signal.layout.write(signal.layout.decode(perfect(signal)), tmp_path / "b.flac")
    assert soundfile.info(tmp_path / "b.flac").channels == 6


def test_plain_files_have_no_channel_mask(tmp_path):
    write_audio(Audio(tone(0.5).astype(np.float32), RATE), tmp_path / "a.wav")
    assert soundfile.info(tmp_path / "a.wav").format == "WAV" and read_audio(tmp_path / "a.wav").channel_mask == 0
    with pytest.raises(UsageError, match="channel_mask=-1"):
        AudioLayout(10, 1, 8000, channel_mask=-1)


def test_names_and_storage_that_are_not_kept_are_said(tmp_path):
    with soundfile.SoundFile(tmp_path / "a.flac", "w", RATE, 1) as file:
        file.title, file.artist = "Seven seas", "Nobody"
        file.write(tone(0.5))
    assert "The model does not keep the artist and title that 'a.flac' carries." in load_audio(tmp_path / "a.flac").report()
    soundfile.write(tmp_path / "b.wav", tone(0.5), RATE, subtype="IMA_ADPCM")
    assert any("stored as IMA_ADPCM" in sentence for sentence in load_audio(tmp_path / "b.wav").report())


def test_speech_is_not_measured_at_rates_that_hold_none(tmp_path):
    soundfile.write(tmp_path / "slow.wav", tone(0.5, 8000), 1)
    signal = load_audio(tmp_path / "slow.wav")
    assert list(signal.evaluate(perfect(signal))) == ["si_snr", "psnr"]
    assert any("left out at 1 Hz" in sentence for sentence in signal.report())
    for rate in (1, 3999, 768_001, 2**31 - 1):
        with pytest.raises(UsageError, match=r"STOI needs a sample rate from 4000 to 768000 Hz"):
            stoi(tone(0.5), tone(0.5), rate)


def test_a_header_that_claims_more_than_the_file_holds(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(0.5), RATE)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # the last 36 bits of 4 + 4 + 18 bytes: how many samples there are
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"'.*a\.flac' claims 64,\d+,\d+,\d+ samples, more than the limit of 268,435,456"):
        read_audio(path)
    with pytest.raises(UsageError, match=r"more than the [0-9,]+ bytes of the file can hold"):
        read_audio(path, max_points=2**40)


def test_the_limit_is_raised_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_files, "SAMPLE_LIMIT", 3999)
    soundfile.write(tmp_path / "a.wav", tone(0.5), RATE)
    with pytest.raises(UsageError, match="claims 4,000 samples, more than the limit of 3,999"):
        load_audio(tmp_path / "a.wav")
    assert load_audio(tmp_path / "a.wav", max_points=4000).layout.frames == 4000
    assert load_audio(tmp_path / "a.wav", duration=0.1).layout.frames == 1600


@pytest.mark.parametrize("rate", [10_000_001, 2**31, 2**63 - 1, 10**30])
def test_rates_beyond_what_is_written(rate, tmp_path):
    with pytest.raises(UsageError, match=r"it must be at most 10000000"):
        AudioLayout(10, 1, 8000).decode(lambda rows: rows, rate=rate)
    with pytest.raises(UsageError, match=r"cannot be written; the rate must be from 1 to 10000000"):
        write_audio(Audio(tone(0.5), rate), tmp_path / "a.wav")


def test_outputs_beyond_the_limit_are_refused_first(monkeypatch):
    monkeypatch.setattr(audio_layout, "DECODED_LIMIT", 2**20)
    with pytest.raises(UsageError, match=r"do not fit in memory: they need"):
        AudioLayout(2**20, 2, 8000).decode(lambda rows: pytest.fail("predicted"))


def test_what_another_format_does_not_keep_is_said():
    surround = AudioLayout(10, 6, 8000, "PCM_24", channel_mask=0x3F)
    assert surround.losses(".wav") == ()
    assert surround.losses(".flac") == ("Which loudspeaker each channel is for is not kept; only .wav keeps it.",)
    assert "Samples are stored as Vorbis; the sound's own file has 24 bits." in surround.losses(".ogg")
    assert AudioLayout(10, 1, 8000, "PCM_U8").losses(".flac") == ()
    assert AudioLayout(10, 1, 8000, "FLOAT").losses(".flac") == ("Samples are stored as 24 bits; the sound's own file has 32-bit float.",)
