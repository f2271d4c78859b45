"""Checks of drawn numbers against the distribution that a specification names."""

import math

import torch


def assert_uniform(values, bound):
    """Fails unless the values look like independent U(-bound, bound).

    False-alarm rate for a fresh seed: under 2e-6 a call (mean and standard deviation at 5 sigma: 6e-7 each; largest value: e^-20 = 2e-9).
    """
    values = values.detach().double().reshape(-1)
    n = values.numel()
    largest = values.abs().max().item()
    assert largest <= bound * (1 + 1e-6)
    assert largest >= bound * (1 - 20 / n)
    sigma = bound / math.sqrt(3)
    assert abs(values.mean().item()) < 5 * sigma / math.sqrt(n)
    # The fourth moment of a uniform is 1.8 sigma^4, so the sample variance has relative spread sqrt(0.8 / n).
    assert abs(values.square().mean().item() / sigma**2 - 1) < 5 * math.sqrt(0.8 / n)


def assert_normal(values, sigma):
    """Fails unless the values look like independent N(0, sigma^2). False-alarm rate for a fresh seed: under 2e-6 a call."""
    values = values.detach().double().reshape(-1) / sigma
    n = values.numel()
    assert abs(values.mean().item()) < 5 / math.sqrt(n)
    assert abs(values.square().mean().item() - 1) < 5 * math.sqrt(2 / n)
    # Not uniform: the normal's fourth moment is 3 with spread sqrt(96 / n), a uniform's is 1.8.
    assert abs((values**4).mean().item() - 3) < 5 * math.sqrt(96 / n)
    assert torch.isfinite(values).all()
