"""LPIPS in plain numpy, float64, written from the paper's eq. 1 and AlexNet's table of layers."""

import numpy as np

STRIDES, PADDINGS = (4, 1, 1, 1, 1), (2, 2, 1, 1, 1)


def random_weights(seed=0):
    """Float32 weights with AlexNet's shapes: kernels `[out, in, rows, columns]`, biases, and a head for each stage."""
    rng = np.random.default_rng(seed)
    weights, inputs = {}, 3
    for stage, (channels, side) in enumerate([(64, 11), (192, 5), (384, 3), (256, 3), (256, 3)]):
        spread = np.sqrt(2 / (inputs * side * side))
        weights[f"conv{stage}.weight"] = (spread * rng.standard_normal((channels, inputs, side, side))).astype(np.float32)
        weights[f"conv{stage}.bias"] = (0.2 * rng.standard_normal(channels)).astype(np.float32)
        weights[f"head{stage}"] = rng.random(channels).astype(np.float32)
        inputs = channels
    return weights


def slow_lpips(left, right, weights):
    """Images `[h, w, 3]` in [0, 1] -> their distance."""
    left, right = (_normalised(np.asarray(image, np.float64)) for image in (left, right))
    total = 0.0
    for stage in range(5):
        if stage in (1, 2):
            left, right = _pooled(left), _pooled(right)
        kernel, bias = (weights[f"conv{stage}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        left, right = (np.maximum(_convolved(image, kernel, bias, STRIDES[stage], PADDINGS[stage]), 0) for image in (left, right))
        total += _distance(left, right, weights[f"head{stage}"].astype(np.float64))
    return total


def _normalised(image):
    return ((2 * image - 1) - np.array([-0.030, -0.088, -0.188])) / np.array([0.458, 0.448, 0.450])


def _convolved(image, kernel, bias, stride, padding):
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    side = kernel.shape[2]
    rows, columns = ((size - side) // stride + 1 for size in padded.shape[:2])
    found = np.empty((rows, columns, len(bias)))
    for row in range(rows):
        for column in range(columns):
            window = padded[row * stride : row * stride + side, column * stride : column * stride + side]
            found[row, column] = np.einsum("rci,oirc->o", window, kernel, optimize=True) + bias
    return found


def _pooled(image):
    rows, columns = ((size - 3) // 2 + 1 for size in image.shape[:2])
    found = np.empty((rows, columns, image.shape[2]))
    for row in range(rows):
        for column in range(columns):
            found[row, column] = image[2 * row : 2 * row + 3, 2 * column : 2 * column + 3].max(axis=(0, 1))
    return found


def _distance(left, right, head):
    left, right = (image / (np.sqrt((image**2).sum(axis=2, keepdims=True)) + 1e-10) for image in (left, right))
    return float((((left - right) ** 2) @ head).mean())
