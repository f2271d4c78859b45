"""Images in the rows of Parquet files."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.files import check_regular, reason_of
from nint.many.arrow import arrow, parquet
from nint.signals.image.files import EncodedImage
from nint.signals.stamp import Stamp, stamp_of


@functools.lru_cache(maxsize=4)
def _opened(path: str, stamp: Stamp) -> Any:
    return parquet().ParquetFile(path)


@functools.lru_cache(maxsize=4)
def _row_group(path: str, column: str, group: int, stamp: Stamp) -> Any:
    return _opened(path, stamp).read_row_group(group, columns=[column]).column(column)


def parquet_rows(path: str) -> int:
    """Rows of a Parquet file.

    Raises:
        UsageError: for a file that cannot be read.
    """
    return int(_file(path).metadata.num_rows)


def _file(path: str) -> Any:
    check_regular(Path(path))
    try:
        return _opened(path, stamp_of(path))
    except UsageError:  # pyarrow is missing
        raise
    except Exception as error:
        raise UsageError(f"'{path}' is not a Parquet file that can be read: {reason_of(error)}.") from error


def parquet_cell(path: str, column: str, row: int) -> bytes | None:
    """The bytes of an image in a Parquet file; the row group is kept for the next one.

    Raises:
        UsageError: for a file that cannot be read, or a column of something else.
    """
    try:
        stamp = stamp_of(path)
        metadata, group = _opened(path, stamp).metadata, 0
        while row >= metadata.row_group(group).num_rows:
            row -= metadata.row_group(group).num_rows
            group += 1
        value = _row_group(path, column, group, stamp)[row].as_py()
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"'{path}' cannot be read: {reason_of(error)}.") from error
    found = value.get("bytes") if isinstance(value, dict) else value
    if found is not None and not isinstance(found, bytes):
        raise UsageError(f"The column '{column}' of '{path}' holds no images, but values of type {type(found).__name__}.")
    return found


def image_column(path: str, column: str | None = None) -> str:
    """The column of a Parquet file that holds images: the first of bytes, or of structs with a field of them.

    Args:
        path: The file.
        column: Its name where a person gave it.

    Raises:
        UsageError: where there is none.
    """
    pa = arrow()
    schema = _file(path).schema_arrow
    if column is not None and column not in schema.names:
        raise UsageError(f"'{path}' has no column '{column}'; its columns: {', '.join(schema.names)}.")
    if column is not None:
        return column
    for field in schema:
        kind = field.type
        if pa.types.is_struct(kind):
            named = {kind.field(number).name: kind.field(number).type for number in range(kind.num_fields)}
            kind = named.get("bytes", kind)
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(field.name)
    raise UsageError(f"'{path}' has no column of images (bytes, or a struct with a field bytes); its columns: {', '.join(schema.names)}.")


def image_of_bytes(data: bytes | None, name: str) -> Any:
    """What `nint.fit` takes of an encoded image: it is read as a file is; of kinds that are not read from files Pillow may know more.

    Raises:
        UsageError: for bytes that are none.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise UsageError(f"'{name}' holds no image.")
    encoded = EncodedImage(data, name)
    if encoded.is_known:
        return encoded
    try:
        image: Any = Image.open(io.BytesIO(data))
    except UnidentifiedImageError as error:
        raise UsageError(f"'{name}' holds no image that can be read; PNG, JPEG, TIFF, WebP, BMP and GIF can.") from error
    except Exception as error:
        raise UsageError(f"'{name}' holds no image that can be read: {reason_of(error)}.") from error
    image.filename = name
    return image
