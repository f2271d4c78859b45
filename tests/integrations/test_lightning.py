"""The real Lightning: a resumed trainer chooses the same points."""

import logging
import subprocess
import sys
import warnings
from importlib.util import find_spec

import pytest
import torch
from torch import nn

import nint
from nint import Teacher, UsageError
from nint.integrations.torch_data import TeacherBatches

pytestmark = [
    pytest.mark.skipif(find_spec("lightning") is None, reason="needs Lightning (pip install 'nint[lightning]')"),
    pytest.mark.filterwarnings("ignore"),  # of Lightning about itself; those that matter are looked for
]

GRID = (6, 8)


@pytest.fixture(scope="module", autouse=True)
def quiet():
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def lightning():
    import lightning.pytorch as module

    return module


def coords():
    return torch.cartesian_prod(torch.linspace(-1, 1, GRID[0]), torch.linspace(-1, 1, GRID[1]))


def pde(model, points):
    x = points.requires_grad_(True)
    (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    return slope[:, :1] + model(x)


def module(total_steps=14, kept=None):
    class Fit(lightning().LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.net, self.chosen, self.kept = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)), [], kept

        def training_step(self, batch, batch_idx):
            self.chosen.append(batch.indices.tolist())
            if self.kept == len(self.chosen):
                raise KeyboardInterrupt
            return batch.loss() if batch.compute else batch.loss(self.net(batch.coords))

        def configure_optimizers(self):
            return torch.optim.Adam(self.net.parameters(), lr=1e-2)

    return Fit()


def teacher_of(fit, sampler, residual=None, **options):
    values = None if residual else torch.sin(3 * coords()[:, :1]) / 2 + 0.5
    grid = None if residual else GRID
    return Teacher(fit.net, coords(), values, sampler, total_steps=14, seed=2, grid=grid, residual=residual, **options)


def trainer(path, teachers, steps, **options):
    from nint.integrations import TeacherCallback

    module = lightning()
    saver = module.callbacks.ModelCheckpoint(dirpath=path, every_n_train_steps=5, save_top_k=-1, filename="{step}", save_on_exception=True)
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": path}
    callbacks = [saver, TeacherCallback(*teachers)]
    return module.Trainer(max_steps=steps, accelerator="cpu", devices=1, callbacks=callbacks, **silent, **options)


@pytest.mark.parametrize("sampler", ["nint", "nint-fast", "int:interval=every-4", "uniform", "evos", "soft-mining"])
def test_a_resumed_run_chooses_the_same_points(tmp_path, sampler):
    whole = module()
    teacher = teacher_of(whole, sampler)
    trainer(tmp_path, [teacher], 14).fit(whole, TeacherBatches(teacher))
    assert len(whole.chosen) == 14 and teacher.step == 14
    again = module()
    fresh = teacher_of(again, sampler)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trainer(tmp_path / "again", [fresh], 14).fit(again, TeacherBatches(fresh), ckpt_path=tmp_path / "step=5.ckpt", weights_only=True)
    assert not [warning for warning in said if "not resumable" in str(warning.message)]
    assert again.chosen == whole.chosen[5:]
    assert all(torch.equal(a, b) for a, b in zip(whole.net.parameters(), again.net.parameters(), strict=True))


def test_several_epochs_and_the_same_points_as_in_a_plain_loop(tmp_path):
    fit = module()
    teacher = teacher_of(fit, "nint")
    trainer(tmp_path, [teacher], 12).fit(fit, TeacherBatches(teacher, steps=5))
    plain = module()
    own = teacher_of(plain, "nint")
    optimizer = torch.optim.Adam(plain.net.parameters(), lr=1e-2)
    for step in range(12):
        batch = own.next()
        assert batch.indices.tolist() == fit.chosen[step]
        optimizer.zero_grad()
        batch.loss(plain.net(batch.coords)).backward()
        optimizer.step()
        own.observe()


def test_a_residual_and_a_checkpoint_within_a_step(tmp_path):
    """Ctrl-C in training_step: Lightning saves what it has, and the batch that was under way is chosen again."""
    fit = module(kept=8)
    teacher = teacher_of(fit, "nint-fast", residual=pde)
    with pytest.raises(SystemExit):
        trainer(tmp_path, [teacher], 14).fit(fit, TeacherBatches(teacher))
    (saved,) = [path for path in tmp_path.glob("*.ckpt") if path.name != "step=5.ckpt"]
    again = module()
    fresh = teacher_of(again, "nint-fast", residual=pde)
    trainer(tmp_path / "again", [fresh], 14).fit(again, TeacherBatches(fresh), ckpt_path=saved, weights_only=True)
    assert again.chosen[0] == fit.chosen[7]
    assert fresh.step == 7 + len(again.chosen)


def test_two_teachers_and_their_states(tmp_path):
    fit = module()
    first, second = teacher_of(fit, "nint"), teacher_of(fit, "uniform", residual=pde)

    def step(batch, batch_idx):
        return batch.loss(fit.net(batch.coords)) + second.next().loss()

    fit.training_step = step
    run = trainer(tmp_path, [first, second], 6)
    run.fit(fit, TeacherBatches(first, steps=6))
    assert first.step == second.step == 6
    callback = run.callbacks[0]
    states = callback.state_dict()
    callback.load_state_dict(states)
    with pytest.raises(UsageError, match="holds the state of 1 teachers, and this callback has 2"):
        callback.load_state_dict({"0": states["0"]})


def test_what_cannot_work_is_said(tmp_path):
    from nint.integrations import TeacherCallback

    with pytest.raises(UsageError, match="needs the teachers"):
        TeacherCallback()
    fit = module()
    teacher = teacher_of(fit, "soft-mining")
    with pytest.raises(UsageError, match=r"d loss / d coords, which gradient scaling .* change"):
        trainer(tmp_path, [teacher], 4, accumulate_grad_batches=2).fit(fit, TeacherBatches(teacher))
    teacher = teacher_of(fit, "uniform")
    teacher.field = nn.Linear(2, 1, device="meta")  # as if the trainer had moved it
    with pytest.raises(UsageError, match="has moved the network to meta and the teacher's points are on cpu"):
        trainer(tmp_path, [teacher], 4).fit(fit, TeacherBatches(teacher))
    batch = teacher_of(fit, "uniform").next()
    assert batch.to("cpu") is batch
    with pytest.raises(UsageError, match="points are on cpu and training is on cuda"):
        batch.to("cuda:0")


def test_without_lightning_one_sentence_says_what_to_install():
    code = (
        "import sys; sys.modules['lightning'] = sys.modules['lightning.pytorch'] = sys.modules['pytorch_lightning'] = None\n"
        "import nint.integrations, nint\n"
        "nint.integrations.TeacherBatches\n"
        "try: nint.integrations.TeacherCallback\n"
        "except nint.UsageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "TeacherCallback needs Lightning, which is not installed; pip install 'nint[lightning]'.\n"


def test_nothing_is_imported_before_it_is_used():
    code = "import sys, nint.integrations; print(any(name in sys.modules for name in ('torch', 'lightning', 'pytorch_lightning')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    assert nint.__version__
