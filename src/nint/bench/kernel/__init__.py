"""What the tangent kernel is worth for choosing points: `nint bench kernel`."""
