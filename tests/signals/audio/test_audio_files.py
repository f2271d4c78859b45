import math
import os
import re
import struct
import sys

import numpy as np
import pytest

from nint.errors import UsageError
from nint.signals.audio import files as audio_files
from nint.signals.audio.files import FORMATS, SUBTYPES, Audio, read_audio, stored_subtype, window, write_audio

soundfile = pytest.importorskip("soundfile", reason="audio files need the optional package soundfile")

# (ending, subtype, largest error of a sample that is not on the format's own steps)
STORED = [
    (".wav", "PCM_U8", 0.5 / 2**7),
    (".wav", "PCM_16", 0.5 / 2**15),
    (".wav", "PCM_24", 0.5 / 2**23),
    (".wav", "PCM_32", 2**-24),
    (".wav", "FLOAT", 0),
    (".wav", "DOUBLE", 0),
    (".wav", "ULAW", 0.03),
    (".wav", "ALAW", 0.03),
    (".flac", "PCM_S8", 0.5 / 2**7),
    (".flac", "PCM_16", 0.5 / 2**15),
    (".flac", "PCM_24", 0.5 / 2**23),
    (".ogg", "VORBIS", 0.1),
    (".mp3", "MPEG_LAYER_III", 0.1),
]


def tones(frames=4000, channels=1, rate=16_000):
    time = np.arange(frames)[:, None] / rate
    return (0.6 * np.sin(2 * np.pi * time * (300 + 170 * np.arange(channels)))).astype(np.float32)


def noise(frames):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (frames, 1)).astype(np.float32)


def integers(bits, frames=3000, channels=2, seed=0):
    top = 2 ** (bits - 1)
    found = np.random.default_rng(seed).integers(-top, top, (frames, channels))
    found[:4, 0] = -top, top - 1, 0, -1
    return found


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("ending", "subtype", "error"), STORED)
def test_every_format_keeps_rate_channels_length_and_subtype(tmp_path, ending, subtype, error, channels):
    samples = tones(channels=channels)
    path = tmp_path / f"ton-ü{ending}"
    write_audio(Audio(samples, 16_000, subtype), path)
    back = read_audio(path)
    assert back.samples.shape == samples.shape and back.samples.dtype == np.float32
    assert (back.sample_rate_hz, back.subtype) == (16_000, subtype)
    inner = slice(200, -200)  # lossy formats blur the sudden start and end
    assert np.abs(back.samples - samples)[inner].max() <= error
    info = soundfile.info(str(path))
    assert (info.format, info.subtype) == (FORMATS[ending], subtype)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg"])
def test_every_rate_is_kept(tmp_path, ending, rate):
    write_audio(Audio(tones(500), rate), tmp_path / f"a{ending}")
    assert read_audio(tmp_path / f"a{ending}").sample_rate_hz == rate


@pytest.mark.parametrize(
    ("ending", "subtype", "bits"),
    [(".wav", "PCM_U8", 8), (".flac", "PCM_S8", 8), (".wav", "PCM_16", 16), (".flac", "PCM_16", 16), (".wav", "PCM_24", 24)],
)
def test_whole_numbers_survive_exactly(tmp_path, ending, subtype, bits):
    numbers = integers(bits)
    path = tmp_path / f"a{ending}"
    write_audio(Audio((numbers / 2.0 ** (bits - 1)).astype(np.float32), 8000, subtype), path)
    assert np.array_equal(soundfile.read(str(path), dtype="int32")[0] >> (32 - bits), numbers)
    assert np.array_equal(read_audio(path).samples.astype(np.float64) * 2 ** (bits - 1), numbers)


def test_samples_are_rounded_to_the_nearest_and_clipped(tmp_path):
    steps = np.array([-40000.0, -32768.4, -1.6, -0.5, 0.4, 0.6, 1.5, 2.5, 32767.4, 32767.6, 40000.0])
    write_audio(Audio((steps / 2**15).astype(np.float32)[:, None], 8000), tmp_path / "a.wav")
    found = soundfile.read(str(tmp_path / "a.wav"), dtype="int16")[0]
    assert found.tolist() == [-32768, -32768, -2, 0, 0, 1, 2, 2, 32767, 32767, 32767]


@pytest.mark.parametrize(
    ("kind", "subtype", "stored"),
    [
        ("WAV", "PCM_S8", "PCM_U8"),
        ("WAV", "VORBIS", "PCM_16"),
        ("WAV", "MPEG_LAYER_III", "PCM_16"),
        ("WAV", "OPUS", "PCM_16"),
        ("FLAC", "PCM_U8", "PCM_S8"),
        ("FLAC", "PCM_32", "PCM_24"),
        ("FLAC", "FLOAT", "PCM_24"),
        ("FLAC", "ULAW", "PCM_16"),
        ("OGG", "PCM_16", "VORBIS"),
        ("MP3", "FLOAT", "MPEG_LAYER_III"),
    ],
)
def test_a_format_that_lacks_the_subtype_takes_the_closest(kind, subtype, stored):
    assert stored_subtype(kind, subtype) == stored


def test_every_subtype_finds_a_place_in_every_format():
    for kind in FORMATS.values():
        for subtype in SUBTYPES:
            assert soundfile.check_format(kind, stored_subtype(kind, subtype))


def test_other_subtypes_count_as_16_bits(tmp_path):
    soundfile.write(str(tmp_path / "a.wav"), tones(), 16_000, subtype="IMA_ADPCM")
    assert read_audio(tmp_path / "a.wav").subtype == "PCM_16"


def test_the_ending_may_lie_as_long_as_it_is_audio(tmp_path):
    write_audio(Audio(tones(), 16_000), tmp_path / "a.flac")
    (tmp_path / "a.flac").rename(tmp_path / "a.mp3")
    assert read_audio(tmp_path / "a.mp3").samples.shape == (4000, 1)


def test_long_sounds_are_written_in_blocks(tmp_path, monkeypatch):
    samples = tones(3000, 2)
    write_audio(Audio(samples, 16_000, "PCM_24"), tmp_path / "whole.flac")
    monkeypatch.setattr(audio_files, "_BLOCK", 700)
    write_audio(Audio(samples, 16_000, "PCM_24"), tmp_path / "blocks.flac")
    assert np.array_equal(read_audio(tmp_path / "whole.flac").samples, read_audio(tmp_path / "blocks.flac").samples)


def test_beyond_4_gib_a_wav_has_sizes_of_64_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_files, "_WAV_BYTES", 1000)
    write_audio(Audio(tones(), 16_000), tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    assert read_audio(tmp_path / "a.wav").samples.shape == (4000, 1)


@pytest.mark.parametrize("ending", list(FORMATS))
def test_a_part_is_that_part_of_the_whole(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_audio(Audio(tones(16_000, 2), 16_000), path)
    whole = read_audio(path).samples
    for start, duration, rows in (
        (0.25, 0.5, slice(4000, 12_000)),
        (None, 0.1, slice(0, 1600)),
        (0.9, None, slice(14_400, None)),
        (0, 1.0, slice(0, None)),
    ):
        found = read_audio(path, start=start, duration=duration).samples
        assert np.array_equal(found, whole[rows])


@pytest.mark.parametrize(
    ("start", "duration", "words"),
    [
        (2.5, None, "start=2.5 lies beyond the end of 'x', which is 2.5 s long"),
        (99, 1, "start=99 lies beyond the end"),
        (0, 2.6, "duration=2.6 from start=0 reaches beyond the end of 'x', which is 2.5 s long"),
        (2, 0.6, "duration=0.6 from start=2 reaches beyond"),
        (None, 2.6, "duration=2.6 from start=0 reaches beyond"),
        (-1, None, "start=-1 is out of range"),
        (math.nan, None, "start=nan is out of range"),
        (None, math.inf, "duration=inf is out of range"),
        (None, -2, "duration=-2 is out of range"),
        (None, 0, "duration=0 is less than one sample"),
        (None, 1e-9, "duration=1e-09 is less than one sample"),
        ("1", None, "start=1 is out of range"),
        (None, True, "duration=True is out of range"),
    ],
)
def test_parts_that_do_not_lie_in_the_sound(start, duration, words):
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        window(20_000, 8000, start, duration, "x")
    assert str(caught.value).endswith(".")


def test_parts_are_rounded_to_the_nearest_sample():
    assert window(20_000, 8000, None, None, "x") == (0, 20_000)
    assert window(20_000, 8000, 0.1, 0.2, "x") == (800, 1600)
    assert window(44_100, 44_100, 1 / 3, 2 / 3, "x") == (14_700, 29_400)
    assert window(100, 44_100, np.float32(0.0001), None, "x") == (4, 96)


def refused(path, **options):
    with pytest.raises(UsageError, match=re.escape(path.name)) as caught:
        read_audio(path, **options)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and path.name in text
    return text


def test_no_file_a_folder_and_an_empty_file(tmp_path):
    assert "no file" in refused(tmp_path / "missing.wav")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.wav").touch()
    assert "is empty" in refused(tmp_path / "empty.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert "regular file" in refused(tmp_path / "pipe.wav")


@pytest.mark.parametrize("ending", [*FORMATS, ".raw"])
@pytest.mark.parametrize("data", [b"just some text " * 100, b"x", b"\x89PNG\r\n\x1a\n" + bytes(500), b"RIFF\xff\0\0\0WEBP" + bytes(99)])
def test_what_is_not_audio(tmp_path, ending, data):
    path = tmp_path / f"a{ending}"
    path.write_bytes(data)
    assert "is not audio that can be read" in refused(path)


@pytest.mark.parametrize("ending", list(FORMATS))
def test_no_samples(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    soundfile.write(str(path), np.zeros((0, 1)), 16_000)
    words = "is empty" if ending in (".flac", ".mp3") else "its length is zero"  # those files have no byte
    assert words in refused(path)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8", "FLOAT"])
@pytest.mark.parametrize("ending", list(FORMATS))
def test_a_file_cut_short_is_refused(tmp_path, ending, subtype, capfd):
    whole, cut = tmp_path / f"whole{ending}", tmp_path / f"cut{ending}"
    write_audio(Audio(tones(16_000), 16_000, subtype), whole)
    data = whole.read_bytes()
    for kept in (4, 11, 20, 44, 60, 300, len(data) // 2, len(data) - 100, len(data) - 1):
        if ending == ".mp3" and kept == len(data) - 1:
            continue  # the end of its last frame is padding
        cut.write_bytes(data[:kept])
        assert "cut short" in refused(cut) or kept < 60
    assert read_audio(whole).samples.shape == (16_000, 1)


def test_a_part_before_the_cut_can_be_read(tmp_path):
    for ending in (".wav", ".flac", ".ogg"):
        path = tmp_path / f"a{ending}"
        write_audio(Audio(noise(64_000), 16_000), path)
        whole = read_audio(path).samples
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert np.array_equal(read_audio(path, start=0.1, duration=0.2).samples, whole[1600:4800])
        refused(path, duration=3.5)


def test_a_wav_of_a_pipe_tells_no_length(tmp_path):
    path = tmp_path / "a.wav"
    write_audio(Audio(tones(), 16_000), path)
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert read_audio(path).samples.shape == (4000, 1)
    data[place : place + 4] = struct.pack("<I", 8002)
    path.write_bytes(data)
    assert "cut short" in refused(path)


def test_a_flac_of_a_pipe_tells_no_length(tmp_path):
    path = tmp_path / "a.flac"
    samples = tones(70_000)
    write_audio(Audio(samples, 16_000), path)
    whole = read_audio(path).samples
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # STREAMINFO, total samples: the low half of this byte and four more
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert soundfile.info(str(path)).frames > 2**48
    assert "does not tell its length" in refused(path, start=1)
    assert np.array_equal(read_audio(path, start=4, duration=0.25).samples, whole[64_000:68_000])
    assert "cut short" in refused(path, duration=5)
    assert "cut short" in refused(path, start=5, duration=1)


@pytest.mark.parametrize("ending", [".flac", ".ogg"])
def test_a_damaged_middle_is_noticed(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_audio(Audio(noise(64_000), 16_000), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    path.write_bytes(data)
    assert "damaged" in refused(path)


@pytest.mark.parametrize(
    ("audio", "name", "words"),
    [
        (Audio(tones(), 16_000), "a.png", "no ending of an audio format"),
        (Audio(tones(), 16_000), "a", "no ending of an audio format"),
        (Audio(tones(), 16_000), "a.flc", "'.flac'"),
        (
            Audio(tones(), 11_111),
            "a.mp3",
            "11111 Hz and 1 channel cannot be written as .mp3: MPEG-1/2/2.5 only supports sample rates of 8000",
        ),
        (Audio(tones(channels=3), 16_000), "a.mp3", "3 channels cannot be written as .mp3"),
        (Audio(tones(channels=9), 16_000), "a.flac", "9 channels cannot be written as .flac"),
        (Audio(tones(), 1_000_000), "a.flac", "cannot be written as .flac: flac does not support this sample rate"),
        (Audio(tones(), 200_001), "a.ogg", "at most 200000 Hz and 255 channels"),
        (Audio(tones(channels=256), 8000), "a.ogg", "at most 200000 Hz and 255 channels"),
        (Audio(tones()[:, 0], 16_000), "a.wav", "(4000,)"),
        (Audio(tones()[:0], 16_000), "a.wav", "(0, 1)"),
        (Audio(tones() * np.float32(np.nan), 16_000), "a.wav", "NaN"),
    ],
)
def test_what_cannot_be_written_leaves_the_file_that_is_there(tmp_path, audio, name, words):
    (tmp_path / name).write_text("precious")
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        write_audio(audio, tmp_path / name)
    assert str(caught.value)[-1] in ".?"
    assert (tmp_path / name).read_text() == "precious" and os.listdir(tmp_path) == [name]


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(UsageError, match="Cannot write"):
        write_audio(Audio(tones(), 16_000), tmp_path / "a.wav")
    assert os.listdir(tmp_path) == ["a.wav"]


def test_without_soundfile_the_package_is_named(tmp_path, monkeypatch):
    write_audio(Audio(tones(), 16_000), tmp_path / "a.wav")
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    for action in (lambda: read_audio(tmp_path / "a.wav"), lambda: write_audio(Audio(tones(), 16_000), tmp_path / "b.wav")):
        with pytest.raises(UsageError, match=r"needs the package soundfile; pip install 'nint\[audio\]'"):
            action()


def test_audio_is_an_array_of_its_samples():
    audio = Audio(tones(), 16_000)
    assert np.asarray(audio) is audio.samples
    assert np.asarray(audio, dtype=np.float64).dtype == np.float64
    copy = np.array(audio)
    copy[0] = 1
    assert audio.samples[0] != 1


def without_first_frame(data):
    """The MP3 without its first frame, which holds the tag with the length."""
    second = data.index(data[:2], 4)
    assert b"Info" in data[:second] or b"Xing" in data[:second]
    return data[second:]


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("id3", [b"", b"ID3\x04\0\0\0\0\x01\x48" + b"\xff\xfb\x90\x64" * 50])
def test_an_mp3_without_a_length_is_counted(tmp_path, rate, id3):
    path = tmp_path / "a.mp3"
    soundfile.write(str(path), noise(3 * rate), rate, bitrate_mode="CONSTANT", compression_level=0.5)
    whole = read_audio(path).samples
    path.write_bytes(id3 + without_first_frame(path.read_bytes()))
    found = read_audio(path).samples
    assert len(whole) <= len(found) <= len(whole) + 3 * 1152  # with the padding that the tag would have said
    shift = next(s for s in range(3000) if np.allclose(found[s : s + 500], whole[1000:1500], atol=1e-3))
    assert np.allclose(found[shift : shift + rate], whole[1000 : 1000 + rate], atol=1e-3)


def test_an_mp3_of_varying_bit_rate_without_a_length_is_refused(tmp_path):
    path = tmp_path / "a.mp3"
    loud_then_still = np.concatenate([noise(40_000), 0 * noise(80_000), noise(4000)])
    soundfile.write(str(path), loud_then_still, 16_000, bitrate_mode="VARIABLE", compression_level=0.5)
    assert read_audio(path).samples.shape == (124_000, 1)
    path.write_bytes(without_first_frame(path.read_bytes()))
    assert soundfile.info(str(path)).frames < 100_000  # what the library would have given
    assert "varying bit rate" in refused(path)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text here")
@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_name_that_is_not_text(tmp_path, ending):
    path = tmp_path / os.fsdecode(b"caf\xe9" + ending.encode())
    samples = np.sin(np.arange(4000) / 9, dtype=np.float32)[:, None] / 2
    write_audio(Audio(samples, 8000), path)
    assert read_audio(path).samples == pytest.approx(samples, abs=0.2 if ending in (".ogg", ".mp3") else 1e-4)


@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("frames", [500, 30_000])  # of the shorter ones, libsndfile writes the most when it closes the file
def test_a_full_disk_keeps_the_old_file_and_says_so(tmp_path, ending, frames):
    resource = pytest.importorskip("resource")
    path = tmp_path / f"a{ending}"
    write_audio(Audio(tones(400), 16_000), path)
    before = path.read_bytes()
    sound = Audio(noise(frames), 16_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))  # no file may grow beyond, as on a disk without room
    try:
        with pytest.raises(UsageError, match=r"^Cannot write .*: File too large\.$"):
            write_audio(sound, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
