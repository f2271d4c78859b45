"""A fitted signal: a small network that is the signal, callable at any coordinates."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nint.arguments import place, switch
from nint.errors import UsageError, what_is
from nint.fields import FIELDS, FieldSpec
from nint.files import load_tensors, save_tensors
from nint.machine.devices import resolve_device
from nint.machine.grad_mode import gradients_enabled
from nint.ntk.products import chunk_size_for, row_chunks
from nint.packing.header import COORDINATES, FORMAT
from nint.runs.outputs import precision_of, predict_rows
from nint.runs.places import check_apart
from nint.runs.stored import read_model, rebuilt
from nint.signals.base import Layout, Signal
from nint.version import __version__

if TYPE_CHECKING:
    from nint.packing.finetune import FineTuning


class Fit:
    """A field with the layout of the signal that it stores.

    Attributes:
        field: The network, a plain `nn.Module` in eval mode.
        spec: Its spec, or None for a module of the user's own.
        layout: How outputs turn back into the same kind of thing.
        metrics: Quality at the end of training.
        record: Settings, versions, timings, counts and the curve of the run.
    """

    def __init__(
        self,
        field: nn.Module,
        spec: FieldSpec | None,
        layout: Layout,
        metrics: dict[str, float] | None = None,
        record: dict[str, Any] | None = None,
    ) -> None:
        self.field = field.eval()
        self.spec = spec
        self.layout = layout
        self.metrics = metrics or {}
        self.record = record or {}

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return next(self.field.parameters()).device

    def __call__(self, coords: Any) -> Tensor:
        """Predictions `[..., d_out]` at coordinates `[..., d_in]` (tensor or array), no graph, in chunks."""
        points = self._points(coords)
        flat = points.reshape(-1, points.shape[-1])
        return self.predict(flat).reshape(*points.shape[:-1], -1)

    def _points(self, coords: Any) -> Tensor:
        try:
            given = coords if isinstance(coords, Tensor) else torch.as_tensor(coords, dtype=precision_of(self.field))
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(f"coords must be a tensor or array [..., {self.layout.in_features}]; {what_is(coords)} is none.") from error
        points = given.to(self.device, precision_of(self.field))
        if points.ndim == 0 or points.shape[-1] != self.layout.in_features:
            raise UsageError(f"coords {tuple(points.shape)} must end in {self.layout.in_features} columns.")
        return points

    def predict(self, coords: Any) -> Tensor:
        """Predictions `[n, d_out]` at coordinates that are read by rows `[n, d_in]`."""
        return predict_rows(self.field, coords, self.device)

    @gradients_enabled()
    def gradient(self, coords: Any) -> Tensor:
        """D prediction / d coords, `[..., d_out, d_in]`, per coordinate unit (half an image side is 1).

        Args:
            coords: `[..., d_in]`, tensor or array.

        Cost: one forward and d_out backwards a point, in chunks.
        """
        points = self._points(coords)
        flat = points.reshape(-1, points.shape[-1])
        slopes = torch.empty(len(flat), self.layout.out_features, flat.shape[1], dtype=flat.dtype, device=self.device)
        for rows in row_chunks(len(flat), chunk_size_for(self.device)):
            x = flat[rows].detach().clone().requires_grad_(True)  # a copy, because coords may come from torch.inference_mode
            prediction = self.field(x)
            for channel in range(slopes.shape[1]):
                (slopes[rows, channel],) = torch.autograd.grad(prediction[:, channel].sum(), x, retain_graph=True)
        return slopes.reshape(*points.shape[:-1], *slopes.shape[1:])

    def decode(self, **options: Any) -> Any:
        """The signal itself, at any resolution; options are those of its layout (image: scale, height, width, crop)."""
        return self.layout.decode(self.predict, **options)

    def write(self, path: str | Path, **options: Any) -> None:
        """Decodes and writes a file, over one that is there; the ending chooses the format.

        Raises:
            UsageError: for what cannot be written, and for the file that the model was fitted to.
        """
        file = self._output(path)
        self.layout.of_decoded(**options).write(self.decode(**options), file)

    def evaluate(self, source: Any, **options: Any) -> dict[str, float]:
        """Quality against a signal (path, array, PIL image or Signal)."""
        from nint.signals.open import open_signal

        signal = source if isinstance(source, Signal) else open_signal(source, **options)
        self.layout.check_comparable(signal.layout)
        return signal.evaluate(lambda coords: self.predict(self.layout.placed(signal.layout, coords)))

    def state_dict(self) -> dict[str, Tensor]:
        """The field's own plain state."""
        return self.field.state_dict()

    def _output(self, path: str | Path) -> Path:
        """A path to write to, which is not the file that the model was fitted to."""
        file, source = place(path, "path"), self.record.get("source")
        if isinstance(source, str) and os.path.exists(source):
            check_apart(file, [Path(source)], "The file")
        return file

    def header(self) -> dict[str, Any]:
        """What the file says of itself."""
        return {
            "format": FORMAT,
            "nint": __version__,
            "field": None if self.spec is None else FIELDS.text(self.spec),
            "module": type(self.field).__name__,
            "in_features": self.layout.in_features,
            "out_features": self.layout.out_features,
            "coordinates": COORDINATES,
            "value_range": list(self.layout.value_range),
            "layout": self.layout.to_json(),
            "metrics": self.metrics,
            "record": {key: value for key, value in self.record.items() if key != "curve"},
        }

    def save(self, path: str | Path, half: bool = False) -> None:
        """Writes the model as `.safetensors`, atomically; the header holds the spec, conventions and metrics.

        Args:
            path: The file.
            half: Store floats in half precision: half the bytes, a little less quality (measure it with `evaluate`).

        Raises:
            UsageError: for what cannot be written, and for the file that the model was fitted to.
        """
        file, half = self._output(path), switch(half, "half")
        state = {f"field/{name}": value for name, value in self.state_dict().items()}
        if half:
            state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
        save_tensors(file, state, self.header())

    def pack(
        self,
        path: str | Path,
        *,
        bits: float | None = None,
        max_kilobytes: float | None = None,
        signal: Any = None,
        tuning: FineTuning | None = None,
    ) -> Fit:
        """Writes the model as a small `.nint` file: quantised, fine-tuned as it is stored, entropy-coded.

        Args:
            path: The file.
            bits: Mean bits of a weight before entropy coding, fractions included; None is 8 for a sound, 6 for anything else.
            max_kilobytes: Largest file, of 1000 bytes each; the number of bits is then chosen.
            signal: What the model was fitted to (path, array, signal), for fine-tuning and to measure the result; None does neither.
            tuning: Settings of the fine-tuning.

        Returns:
            The model that the file holds, measured; this one stays as it is.

        Raises:
            UsageError: for a signal that does not fit the model, a model that does not fit into the file, and missing packages.
        """
        from nint.packing.container import write_packed
        from nint.packing.pack import checked_bytes, extent_of, pack
        from nint.packing.sizing import bits_for
        from nint.signals.open import open_signal

        file, bits = self._output(path), bits_for(self.layout.kind) if bits is None else bits
        most = checked_bytes(bits, max_kilobytes)
        source = str(signal) if isinstance(signal, (str, Path)) else ""
        opened = None if signal is None else signal if isinstance(signal, Signal) else open_signal(signal)
        if opened is not None:
            self.layout.check_comparable(opened.layout)
        packed = pack(
            self.field,
            self.header(),
            extent_of(self.layout),
            bits=bits,
            max_bytes=most,
            signal=opened,
            predict=lambda field, rows: predict_rows(field, rows, self.device),
            tuning=tuning,
            source=source or str(self.record.get("source") or ""),
        )
        write_packed(file, packed.data)
        return Fit(packed.field, self.spec, self.layout, packed.metrics, packed.record)

    def export(self, path: str | Path) -> float | None:
        """Writes the network for other programs: .onnx, .pt2 (`torch.export`), or .json with .bin and a page that decodes it.

        Args:
            path: The file; its ending chooses the form.

        Returns:
            The largest difference of its outputs to ours on 4,096 points; None where onnxruntime, which .onnx is run with, is missing.

        Raises:
            UsageError: for another ending, a network that has no such form, and missing packages.
        """
        from nint.export.write import export, sample_points
        from nint.packing.pack import extent_of

        return export(copy.deepcopy(self.field), self.header(), sample_points(extent_of(self.layout)), self._output(path))

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json, model.safetensors and README.md, the layout of the Hugging Face Hub, into a folder; nothing is uploaded.

        Raises:
            UsageError: where it cannot be written, or holds a README.md or config.json of something else.
        """
        from nint.export.hub import CARD, CONFIG, WEIGHTS, card, config_of, read_config
        from nint.files import write_json, write_text

        folder = place(folder, "folder")
        if any((folder / name).exists() for name in (CARD, CONFIG, WEIGHTS)):
            read_config(folder)  # refuses what is not ours
        count = sum(value.numel() for value in self.state_dict().values())
        self.save(folder / WEIGHTS)
        write_json(folder / CONFIG, config_of(self.header()))
        write_text(folder / CARD, card(self.header(), self.layout.describe(), count))

    @classmethod
    def from_pretrained(cls, folder: str | Path, field: nn.Module | None = None, device: str | torch.device = "cpu") -> Fit:
        """Reads a folder that `save_pretrained` wrote; nothing is downloaded.

        Args:
            folder: The folder.
            field: As for `load`.
            device: Where to put it.

        Raises:
            UsageError: for a folder that is not one, or whose files are damaged.
        """
        from nint.export.hub import WEIGHTS, read_config

        path = place(folder, "folder") / WEIGHTS
        header = read_config(path.parent)
        tensors, _ = load_tensors(path)
        return cls.from_parts(tensors, header, str(path), field).to(device)

    @classmethod
    def load(cls, path: str | Path, field: nn.Module | None = None, device: str | torch.device = "cpu") -> Fit:
        """Reads a model (packed or not, or the model inside a checkpoint). No pickle is involved.

        Args:
            path: A file that `save`, `nint pack` or a run wrote.
            field: The module to fill, for a model whose network is not one of ours.
            device: Where to put it.

        Raises:
            UsageError: for a corrupt or foreign file, or one that needs `field`.
        """
        tensors, header = read_model(place(path, "path"))
        return cls.from_parts(tensors, header, str(path), field).to(device)

    @classmethod
    def from_parts(cls, tensors: dict[str, Tensor], header: dict[str, Any], name: str, field: nn.Module | None = None) -> Fit:
        """Rebuilds a fit from the contents of a file.

        Args:
            tensors: By name; those of the network start with "field/".
            header: As of `header`.
            name: The file, for messages.
            field: As for `load`.

        Raises:
            UsageError: for contents that are damaged, of a newer version, or that need `field`.
        """
        module, spec, layout, metrics = rebuilt(tensors, header, name, field)
        return cls(module, spec, layout, metrics, header.get("record"))

    def to(self, device: str | torch.device) -> Fit:
        """Moves the field to "auto", "cpu", "cuda" or "mps", or a `torch.device`; returns itself.

        Raises:
            UsageError: for a device that is not there.
        """
        self.field.to(resolve_device(device))
        return self


def round_to_half(field: nn.Module) -> None:
    """Rounds every float of a network to the nearest half-precision number, in place; it stays float32."""
    with torch.no_grad():
        for value in (*field.parameters(), *field.buffers()):
            if value.is_floating_point():
                value.copy_(value.half())
