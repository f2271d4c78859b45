"""Reading and writing sound files through libsndfile: WAV, FLAC, OGG and MP3, sample rate, channels and bit depth kept."""

from __future__ import annotations

import io
import math
import numbers
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError, listed, nearest
from nint.files import check_file, quiet_stderr, write_atomically
from nint.settings import whole
from nint.signals.audio.carried import carried
from nint.signals.audio.channels import channel_mask, set_channel_mask
from nint.signals.audio.damage import is_cut, mp3_length, reason, refuse
from nint.signals.pixels import check_packing

SUBTYPES = {
    "PCM_16": "16 bits",
    "PCM_U8": "8 bits",
    "PCM_S8": "8 bits",
    "PCM_24": "24 bits",
    "PCM_32": "32 bits",
    "FLOAT": "32-bit float",
    "DOUBLE": "64-bit float",
    "ULAW": "8 bits mu-law",
    "ALAW": "8 bits A-law",
    "VORBIS": "Vorbis",
    "OPUS": "Opus",
    "MPEG_LAYER_III": "MP3",
}
"""How a sample is stored (libsndfile's names) -> words for a person. Others are taken as PCM_16."""

PCM_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
"""Subtypes that hold whole numbers -> bits of a sample."""

SAMPLE_BITS = PCM_BITS | {"FLOAT": 32, "DOUBLE": 64, "ULAW": 8, "ALAW": 8}
"""Subtypes that store samples one by one -> bits of a sample."""

FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}
"""File ending -> format that can be written."""

_HOLDS = {
    "WAV": ("PCM_16", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
    "FLAC": ("PCM_16", "PCM_S8", "PCM_24"),
    "OGG": ("VORBIS",),
    "MP3": ("MPEG_LAYER_III",),
}
_CLOSEST = {"PCM_S8": "PCM_U8", "PCM_U8": "PCM_S8", "PCM_32": "PCM_24", "FLOAT": "PCM_24", "DOUBLE": "PCM_24"}
_VORBIS_RATE, _VORBIS_CHANNELS = 200_000, 255
_WAV_BYTES = 2**32 - 2**16
_BLOCK = 2**16
SAMPLE_LIMIT = 2**28
"""Most samples that are read, all channels together: 1.7 hours of mono at 44.1 kHz, 1 GiB."""

RATE_LIMIT = 10_000_000
"""Highest sample rate in Hz that is decoded to and written."""

_UNKNOWN_LENGTH = 2**48
_MP3_FRAME = 1152


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound.

    Attributes:
        samples: `[frames, channels]` float32 in [-1, 1].
        sample_rate_hz: Frames a second.
        subtype: How a file should store a sample, where its format can; see `SUBTYPES`.
        channel_mask: Which loudspeaker each channel is for, as WAV files tell; 0 where that is not known.
        notes: Sentences on what its file holds that is not here.
    """

    samples: np.ndarray
    sample_rate_hz: int
    subtype: str = "PCM_16"
    channel_mask: int = 0
    notes: tuple[str, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.samples, dtype=dtype, copy=True if copy else None)


def read_audio(path: str | Path, *, start: float | None = None, duration: float | None = None, max_points: int | None = None) -> Audio:
    """Reads a sound file, or a part of it without decoding the rest (of MP3, what comes before is decoded, too).

    The kind of file is told by its content, whatever its ending.

    Args:
        path: The file.
        start: Seconds to leave out at the start.
        duration: Seconds to take; None takes the rest.
        max_points: Most samples to read, all channels together; None is `SAMPLE_LIMIT`.

    Returns:
        Samples as float32: whole numbers divided by 2^(bits - 1), floats as they are.

    Raises:
        UsageError: for a file that is missing, empty, cut short, damaged or not audio, a part that does not lie in it, or one of
            more samples than may be read.
    """
    soundfile = _soundfile()
    path = Path(path)
    limit = SAMPLE_LIMIT if max_points is None else whole(max_points, "max_points")
    check_file(path, "an audio file")
    try:
        with quiet_stderr():
            file = soundfile.SoundFile(_name(path))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: an ending of headerless files, of which no rate is known
        refuse(path, error)
    with file:
        try:
            frames = file.frames
            if frames > _UNKNOWN_LENGTH and duration is None:  # libsndfile can read it, but not up to its end
                raise UsageError(f"'{path}' does not tell its length, as FLAC from a pipe; give a duration, or store it again.")
            if file.format == "MP3" and (counted := mp3_length(path)) is not None:
                if counted > frames + _MP3_FRAME:
                    raise UsageError(f"'{path}' is an MP3 of varying bit rate that does not tell its length; store it again.")
                frames = min(frames, counted)
            cut = is_cut(path, file.format)
            if cut and (frames == 0 or duration is None):
                raise UsageError(f"'{path}' is cut short: its end is missing.")
            if frames == 0:
                raise UsageError(f"'{path}' has no samples: its length is zero.")
            rate = int(file.samplerate)
            first, count = window(frames, rate, start, duration, str(path))
            if count * file.channels > limit:
                most = f"more than the limit of {limit:,}; take a part with start and duration, or raise it with --max-points"
                raise UsageError(f"'{path}' claims {count * file.channels:,} samples, {most}.")
            check_packing(path, 4 * count * file.channels, path.stat().st_size)
            with quiet_stderr():
                samples = _read(file, first, count)
        except soundfile.SoundFileError as error:
            refuse(path, error)
        except MemoryError as error:
            raise UsageError(f"'{path}' does not fit in memory; take a part of it with start and duration.") from error
        subtype, notes = file.subtype if file.subtype in SUBTYPES else "PCM_16", _left_out(file, path)
    if len(samples) < count:
        raise UsageError(f"'{path}' is damaged or cut short: {len(samples)} of {count} samples could be read.")
    mask = channel_mask(path)
    if samples.shape[1] > 2 and not mask:
        notes = (*notes, f"Its {samples.shape[1]} channels keep their order; which loudspeaker each is for is not kept.")
    return Audio(samples, rate, subtype, mask, notes)


def window(frames: int, sample_rate_hz: int, start: float | None, duration: float | None, name: str) -> tuple[int, int]:
    """Start and duration in seconds -> (first frame, number of frames), to the nearest frame.

    Raises:
        UsageError: where the part does not lie within the sound.
    """
    for label, value in (("start", start), ("duration", duration)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value) or value < 0):
            raise UsageError(f"{label}={value} is out of range; it must be a number of seconds of at least 0.")
    length = f"which is {frames / sample_rate_hz:.6g} s long"
    first = round((start or 0) * sample_rate_hz)
    if first >= frames:
        raise UsageError(f"start={start:g} lies beyond the end of '{name}', {length}.")
    if duration is None:
        return first, frames - first
    count = round(duration * sample_rate_hz)
    if count < 1:
        raise UsageError(f"duration={duration:g} is less than one sample of '{name}'; it must be a number of seconds above 0.")
    if first + count > frames:
        raise UsageError(f"duration={duration:g} from start={start or 0:g} reaches beyond the end of '{name}', {length}.")
    return first, count


def write_audio(audio: Audio, path: str | Path) -> None:
    """Writes a sound in the format of the file's ending; a file that is there is replaced in one step, or kept where anything fails.

    WAV keeps the channel mask, which the other formats do not, and every subtype but Vorbis, Opus and MP3, which become PCM_16. FLAC keeps
    whole numbers up to 24 bits, to which it rounds longer ones and floats. OGG is written as Vorbis, MP3 as MP3. Whole numbers are rounded
    to the nearest (ties to even).

    Args:
        audio: What to write.
        path: Where to, with one of the endings of `FORMATS`.

    Raises:
        UsageError: where the ending is unknown or cannot hold this rate or these channels, or the file cannot be written.
    """
    soundfile = _soundfile()
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise UsageError(f"'{path}' has no ending of an audio format that can be written.{nearest(ending, FORMATS)}")
    kind, samples, rate = FORMATS[ending], np.asarray(audio.samples, np.float32), audio.sample_rate_hz
    if samples.ndim != 2 or samples.size == 0:
        raise UsageError(f"Samples of shape {samples.shape} are not audio; use [frames, channels].")
    if not 1 <= rate <= RATE_LIMIT:
        raise UsageError(f"Audio of {rate} Hz cannot be written; the rate must be from 1 to {RATE_LIMIT}.")
    if not np.isfinite(samples).all():
        raise UsageError(f"The samples for '{path}' hold NaN or infinity.")
    channels = samples.shape[1]
    if kind == "OGG" and (rate > _VORBIS_RATE or channels > _VORBIS_CHANNELS):  # libsndfile 1.2 crashes on these
        limit = f"at most {_VORBIS_RATE} Hz and {_VORBIS_CHANNELS} channels"
        raise UsageError(f"Audio of {rate} Hz and {channels} channels cannot be written as .ogg, which holds {limit}.")
    subtype = stored_subtype(kind, audio.subtype)
    if kind == "WAV" and audio.channel_mask:
        kind = "WAVEX"
    if kind in ("WAV", "WAVEX") and samples.size * 8 > _WAV_BYTES:
        kind = "RF64"  # WAV with sizes of 64 bits

    data = io.BytesIO()  # because libsndfile keeps silent about a disk that is full when it closes a file
    try:
        with soundfile.SoundFile(data, "w", rate, channels, subtype, format=kind) as file:
            for begin in range(0, len(samples), _BLOCK):  # in blocks, because Vorbis takes what it gets onto its stack
                file.write(_stored(samples[begin : begin + _BLOCK], subtype))
    except soundfile.SoundFileError as error:
        what = f"Audio of {rate} Hz and {channels} channel{'s' if channels > 1 else ''}"
        raise UsageError(f"{what} cannot be written as {ending}: {reason(error)}.") from error
    if audio.channel_mask and ending == ".wav":
        set_channel_mask(data, audio.channel_mask)

    def write(target: Path) -> None:
        with open(target, "wb") as file:
            file.write(data.getbuffer())
            file.flush()
            os.fsync(file.fileno())

    write_atomically(path, write)


def _name(path: Path) -> str | bytes:
    """A path as soundfile takes it: it cannot encode names that are not text, which Unix allows."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def stored_subtype(kind: str, subtype: str) -> str:
    """The subtype in which a format stores a sound: its own where it can, else the closest, else the format's usual one."""
    held = _HOLDS[kind]
    return next((name for name in (subtype, _CLOSEST.get(subtype)) if name in held), held[0])


def _stored(samples: np.ndarray, subtype: str) -> np.ndarray:
    bits = PCM_BITS.get(subtype)
    if bits is None:
        return samples
    # Rounded here, because libsndfile cuts bits off when it clips; it takes the leading bits of 32.
    top = 2 ** (bits - 1)
    whole: np.ndarray = np.clip(np.rint(samples.astype(np.float64) * top), -top, top - 1).astype(np.int32)
    return whole << (32 - bits)


def _left_out(file: Any, path: Path) -> tuple[str, ...]:
    """Sentences on what an opened sound file carries that is not kept."""
    notes, name = [], path.name
    if file.subtype not in SUBTYPES:
        notes.append(f"The samples of '{name}' are stored as {file.subtype}, which is not written; decoded ones have 16 bits.")
    texts = file.copy_metadata() if hasattr(file, "copy_metadata") else {}
    tags = sorted({*(key for key, text in texts.items() if text), *carried(path)})
    if tags:
        notes.append(f"The model does not keep the {listed(tags)} that '{name}' carries.")
    return tuple(notes)


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package without libsndfile
        raise UsageError("Audio needs the package soundfile; pip install 'nint[audio]'.") from error
    return soundfile


def _read(file: Any, first: int, count: int) -> np.ndarray:
    # After a seek, which soundfile makes in each read, libsndfile 1.2.2 gives other samples of an MP3 file than those asked for.
    skipped = first if file.format == "MP3" else 0
    if first > skipped:
        file.seek(first)
    samples: np.ndarray = file.read(skipped + count, dtype="float32", always_2d=True)
    return samples[skipped:]
