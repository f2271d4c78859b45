"""Range coding of whole numbers."""

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("constriction", reason="packing needs constriction, from the extra nint[pack]")

from nint.packing.coder import TAILS, WIDTHS, Bell, Decoder, encode, fitted


def normal(count: int, spread: float, top: int) -> np.ndarray:
    return np.clip(np.rint(np.random.default_rng(0).normal(0, spread, count)), -top, top).astype(np.int32)


def entropy_bits(values: np.ndarray) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float(-(counts * np.log2(counts / values.size)).sum())


@pytest.mark.parametrize(("spread", "top"), [(0.3, 1), (3, 15), (12, 31), (60, 31), (40, 127), (500, 2047)])
def test_what_is_encoded_is_decoded(spread: float, top: int):
    values = normal(3000, spread, top)
    bell = fitted(values, top)
    data = encode([(values, bell), (values[:7], bell)])
    decoder = Decoder(data)
    assert np.array_equal(decoder.read(3000, bell), values)
    assert np.array_equal(decoder.read(7, bell), values[:7])


def test_the_file_is_about_as_long_as_the_entropy():
    values = normal(20_000, 11, 31)
    data = encode([(values, fitted(values, 31))])
    assert 8 * len(data) < 1.01 * entropy_bits(values) + 64


def test_heavy_tails_and_flat_ranges_find_models_that_fit():
    generator = np.random.default_rng(1)
    for values in (generator.integers(-31, 32, 20_000), np.clip(np.rint(generator.standard_t(2, 20_000) * 3), -31, 31)):
        values = values.astype(np.int32)
        histogram = np.bincount(values + 31, minlength=63).astype(float)
        assert fitted(values, 31).bits(histogram) < 1.02 * entropy_bits(values)


@pytest.mark.parametrize(("top", "width", "tail"), [(0, 0, 0), (1, 0, 4), (31, 40, 0), (31, 60, 4), (127, 30, 2), (2**15 - 1, 100, 4)])
def test_counts_are_whole_positive_and_sum_to_a_power_of_two(top: int, width: int, tail: int):
    counts = Bell(top, width, tail).counts()
    assert counts.sum() == 2**20 and counts.min() >= 1 and (counts == np.rint(counts)).all()
    assert np.array_equal(counts, counts[::-1])


def test_counts_are_those_of_integers_without_a_limit():
    rng = np.random.default_rng(0)
    for top in (*rng.integers(0, 3000, 60).tolist(), 2**17 - 1):
        width, tail = int(rng.integers(len(WIDTHS))), int(rng.integers(len(TAILS)))
        side = []
        for q in range(top + 1):
            fraction = (WIDTHS[width] << 32) // (WIDTHS[width] + q * q)
            for _ in range(TAILS[tail].bit_length() - 1):
                fraction = fraction * fraction >> 32
            side.append(fraction)
        whole, room = 2 * sum(side) - side[0], 2**20 - (2 * top + 1)
        outer = [1 + value * room // whole for value in side[1:]]
        assert Bell(top, width, tail).counts().tolist() == [*outer[::-1], 2**20 - 2 * sum(outer), *outer]


@pytest.mark.parametrize("top", [2**15, 2**17 - 1])
def test_many_levels_come_back(top: int):
    values = np.random.default_rng(1).integers(-top, top + 1, 500).astype(np.int32)
    bell = fitted(values, top)
    assert np.array_equal(Decoder(encode([(values, bell)])).read(500, bell), values)


def test_counts_follow_the_formula_in_exact_fractions():
    top, width, tail = 20, 30, 2
    size, exponent = WIDTHS[width], TAILS[tail]
    exact = [Fraction(size, size + q * q) ** exponent for q in range(-top, top + 1)]
    expected = np.array([float(value / sum(exact)) for value in exact]) * 2**20
    assert np.abs(Bell(top, width, tail).counts() - expected).max() < 60  # each is at least 1, and what rounding leaves goes to 0


def test_the_tables_of_the_format_do_not_change():
    # a changed number would make every file that was ever written unreadable
    assert TAILS == (1, 2, 4, 16, 64) and WIDTHS[:8] == (1, 2, 3, 4, 5, 6, 7, 8) and WIDTHS[-1] == round(2 ** (163 / 4))
    assert Bell(3, 6, 2).counts().tolist() == Bell(3, 6, 2).counts().tolist()[::-1]


def test_impossible_models_are_refused():
    for top, width, tail in ((31, len(WIDTHS), 0), (31, 0, len(TAILS)), (-1, 0, 0), (2**18, 0, 0), (31, -1, 0)):
        with pytest.raises(ValueError, match="out of range"):
            Bell(top, width, tail)
    with pytest.raises(ValueError, match="cut off"):
        Decoder(b"abc")
