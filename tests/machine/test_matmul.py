"""The faster library only where it is as exact, and the setting put back."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.machine import matmul
from nint.machine.matmul import fast_matmul, matmul_backend, matmul_mode, multiplying

CPU = torch.device("cpu")


def setting():
    return getattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision", None)


@pytest.fixture
def auto(monkeypatch):
    monkeypatch.delenv("NINT_MATMUL", raising=False)


@pytest.fixture
def permitted(monkeypatch, auto):
    """As on a processor where the trial product is exact."""
    if setting() is None:
        pytest.skip("this PyTorch has no such setting")
    assert setting() != "bf16"  # left behind by whoever ran before
    monkeypatch.setattr(matmul, "_onednn_is_better", lambda: True)


@pytest.mark.parametrize("shape", [(257, 256, 256), (64, 2, 256), (33, 300, 3), (1000, 31, 7)])
def test_products_are_as_exact_as_float32(auto, shape):
    n, k, m = shape
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(n, k, generator=generator), torch.randn(k, m, generator=generator)
    exact = a.double() @ b.double()
    bound = 1e-6 * (a.double().abs() @ b.double().abs())  # a few roundings of 6e-8; bf16 would be off by 4e-3
    assert ((fast_matmul(torch.matmul)(a, b) - exact).abs() <= bound).all()
    assert ((fast_matmul(torch.nn.functional.linear)(a, b.T.contiguous()) - exact).abs() <= bound).all()


def test_the_setting_is_put_back(permitted):
    before = setting()
    assert fast_matmul(setting)() == "bf16"
    assert setting() == before

    def fail():
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        fast_matmul(fail)()
    assert setting() == before
    assert fast_matmul(fast_matmul(setting))() == "bf16" and setting() == before
    assert fast_matmul(lambda: (fast_matmul(setting)(), setting()))() == ("bf16", "bf16")  # an inner one does not end the outer one


def test_default_leaves_it_alone(permitted, monkeypatch):
    monkeypatch.setenv("NINT_MATMUL", "default")
    assert fast_matmul(setting)() == setting()
    assert matmul_backend(CPU) == "default"
    monkeypatch.setenv("NINT_MATMUL", "auto")
    assert matmul_backend(CPU) == "onednn"


def test_a_library_that_is_named_is_taken(permitted, monkeypatch):
    monkeypatch.setattr(matmul, "_onednn_is_exact", lambda: True)
    before = setting()
    with multiplying("default"):
        assert fast_matmul(setting)() == before and matmul_backend(CPU) == "default"
        with multiplying(None):
            assert matmul_backend(CPU) == "onednn"
    monkeypatch.setattr(matmul, "_onednn_is_better", lambda: False)
    with multiplying("onednn"):
        assert fast_matmul(setting)() == "bf16" and matmul_backend(CPU) == "onednn"
        monkeypatch.setattr(matmul, "_onednn_is_exact", lambda: False)
        assert matmul_backend(CPU) == "default"
    assert matmul_backend(CPU) == "default"


def test_no_permission_where_the_trial_is_not_exact(auto, monkeypatch):
    monkeypatch.setattr(matmul, "_onednn_is_exact", lambda: False)
    monkeypatch.setattr(matmul, "_onednn_is_better", matmul._onednn_is_better.__wrapped__)
    assert fast_matmul(setting)() == setting()
    assert matmul_backend(CPU) == "default"


def test_only_cpus_are_meant(permitted):
    assert matmul_backend(torch.device("cuda")) == "default"


def test_another_word_is_refused(monkeypatch):
    monkeypatch.setenv("NINT_MATMUL", "fast")
    for ask in (matmul_mode, fast_matmul(lambda: None), lambda: matmul_backend(CPU)):
        with pytest.raises(UsageError, match="NINT_MATMUL=fast is not known; use auto or default"):
            ask()


def test_the_trial_leaves_the_setting_and_the_generators_alone(auto):
    before, state = setting(), torch.get_rng_state()
    assert isinstance(matmul._onednn_is_exact.__wrapped__(), bool)
    assert setting() == before and torch.equal(torch.get_rng_state(), state)


def test_a_decorated_function_keeps_its_name_and_arguments(auto):
    def product(a, *, b=2):
        """Doc."""
        return a * b

    wrapped = fast_matmul(product)
    assert wrapped(3) == 6 and wrapped(3, b=5) == 15
    assert (wrapped.__name__, wrapped.__doc__) == ("product", "Doc.")


def gradients(field, coords, values):
    loss = (field(coords) - values).square().mean()
    return torch.autograd.grad(loss, list(field.parameters()))


def test_gradients_of_a_siren_are_equal_to_float32(auto):
    generator = torch.Generator().manual_seed(0)
    field = FIELDS.parse("siren:size=2x64").build(2, 3, generator)
    coords, values = torch.rand(500, 2, generator=generator) * 2 - 1, torch.rand(500, 3, generator=generator)
    plain, fast = gradients(field, coords, values), fast_matmul(gradients)(field, coords, values)
    exact = gradients(field.double(), coords.double(), values.double())
    for a, b, c in zip(plain, fast, exact, strict=True):
        scale = c.abs().max()
        assert (b - c).abs().max() <= 4 * (a - c).abs().max() + 1e-6 * scale
        assert (a - b).abs().max() <= 1e-4 * scale


def test_a_thread_that_raises_does_not_leave_the_setting_changed(permitted):
    before = setting()

    def fail():
        with contextlib.suppress(ZeroDivisionError):
            fast_matmul(lambda: 1 / 0)()

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert setting() == before


def test_threads_that_overlap_leave_the_setting_as_it_was(permitted):
    """The first to enter is the first to leave; a setting put back by each on its own would end as "bf16"."""
    before, inside, left = setting(), threading.Barrier(2), threading.Event()

    def first():
        inside.wait()
        return setting()

    def second():
        inside.wait()
        left.wait()
        return setting()

    with ThreadPoolExecutor(2) as pool:
        early, late = pool.submit(fast_matmul(first)), pool.submit(fast_matmul(second))
        assert early.result() == "bf16"
        left.set()
        assert late.result() == "bf16"
    assert setting() == before
