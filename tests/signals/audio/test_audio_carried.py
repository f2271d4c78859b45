"""What sound files carry that a model does not keep is said."""

import struct

import numpy as np
import pytest

from nint.signals.audio.files import Audio, read_audio, write_audio

pytest.importorskip("soundfile", reason="audio files need the optional package soundfile")


def tones(frames):
    return 0.6 * np.sin(np.arange(frames, dtype=np.float32) / 9)[:, None]


def test_loops_and_cue_points_are_said_to_be_left_out(tmp_path):
    path = tmp_path / "marked.wav"
    write_audio(Audio(tones(400), 16_000, "PCM_16"), path)
    data = path.read_bytes()
    for name, content in ((b"cue ", struct.pack("<I", 1) + bytes(24)), (b"smpl", bytes(36))):
        data += name + struct.pack("<I", len(content)) + content
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    assert "The model does not keep the cue points and loops that 'marked.wav' carries." in read_audio(path).notes


def with_chunks(path, *chunks):
    write_audio(Audio(tones(400), 16_000, "PCM_16"), path)
    data = path.read_bytes() + b"".join(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in chunks)
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([(b"bext", bytes(602))], "broadcast data"),
        ([(b"iXML", b"<BWFXML/>")], "iXML data"),
        ([(b"id3 ", b"ID3\3" + bytes(6))], "ID3 tags"),
        ([(b"inst", bytes(7)), (b"acid", bytes(24))], "instrument and tempo"),
        ([(b"cart", bytes(2048)), (b"LIST", b"adtllabl" + struct.pack("<II", 8, 1) + b"hey\0")], "cart data and labels"),
        ([(b"abcd", b"1"), (b"JUNK", bytes(9))], "data 'abcd'"),
    ],
)
def test_chunks_of_a_wav_are_said_to_be_left_out(tmp_path, chunks, words):
    with_chunks(tmp_path / "a.wav", *chunks)
    assert read_audio(tmp_path / "a.wav").notes == (f"The model does not keep the {words} that 'a.wav' carries.",)


def test_nothing_is_said_of_chunks_without_content(tmp_path):
    for subtype in ("PCM_16", "FLOAT", "PCM_24"):
        write_audio(Audio(tones(400), 16_000, subtype), tmp_path / "a.wav")
        assert read_audio(tmp_path / "a.wav").notes == ()
    with_chunks(tmp_path / "b.wav", (b"JUNK", bytes(28)), (b"PAD ", bytes(3)))
    assert read_audio(tmp_path / "b.wav").notes == ()


def flac_block(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def comments(*pairs):
    texts = [pair.encode() for pair in pairs]
    return struct.pack("<II", 0, len(texts)) + b"".join(struct.pack("<I", len(text)) + text for text in texts)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([flac_block(6, struct.pack(">II", 3, 9) + b"image/png" + bytes(24))], "picture"),
        (
            [flac_block(2, b"abcd1"), flac_block(4, comments("COMPOSER=B", "LYRICS=la", "ENCODER=x"))],
            "application data, lyrics and other tags",
        ),
        ([flac_block(4, comments("METADATA_BLOCK_PICTURE=AAAA", "CHAPTER001=0"))], "chapters and picture"),
    ],
)
def test_blocks_of_a_flac_are_said_to_be_left_out(tmp_path, blocks, words):
    path = tmp_path / "a.flac"
    write_audio(Audio(tones(4000), 16_000, "PCM_16"), path)
    data = path.read_bytes()
    info = bytes([data[4] & 0x7F]) + data[5:42]
    path.write_bytes(data[:4] + info + b"".join(blocks) + data[42:])
    assert read_audio(path).notes == (f"The model does not keep the {words} that 'a.flac' carries.",)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_picture_in_an_mp3_is_said_to_be_left_out(tmp_path, version):
    path = tmp_path / "a.mp3"
    write_audio(Audio(tones(8000), 16_000), path)
    assert read_audio(path).notes == ()
    body = b"\0PNG\3\0" + bytes(200)
    seven = bytes([0, 0, len(body) >> 7, len(body) & 127])
    frame = (
        b"PIC" + len(body).to_bytes(3, "big")
        if version == 2
        else b"APIC" + (seven if version == 4 else struct.pack(">I", len(body))) + bytes(2)
    )
    whole = len(frame) + len(body)
    path.write_bytes(b"ID3" + bytes([version, 0, 0, 0, 0, whole >> 7, whole & 127]) + frame + body + path.read_bytes())
    assert read_audio(path).notes == ("The model does not keep the picture that 'a.mp3' carries.",)
