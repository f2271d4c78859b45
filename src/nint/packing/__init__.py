"""SMALL FILES. A model whose weights are quantised, fine-tuned as they are stored, and entropy-coded: `model.nint`."""
