"""The plug-in for someone else's training loop, and the only path by which `nint.fit` chooses points.

teacher = Teacher(model, coords, values, "nint", total_steps=1000)
for _ in range(1000):
    batch = teacher.next()
    prediction = model(batch.coords)
    loss = batch.loss(prediction)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    teacher.observe(prediction)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nint.errors import UnsupportedFieldError, UsageError
from nint.machine.fork import refuse_after_fork
from nint.machine.grad_mode import gradients_enabled
from nint.ntk.check import require_pointwise, require_pointwise_behaviour, require_tensor
from nint.ntk.trial import require_kernel, try_forward
from nint.probe.cost import Cost
from nint.probe.objectives import Objective, PointLoss, make_loss
from nint.probe.pool import checked_pool
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.base import Feedback, Sampler, Selection, check_needs
from nint.samplers.candidates import effective
from nint.samplers.saving import Saved, from_dict, to_dict
from nint.signals.base import Pool

SEED_OFFSET = 0x5EED
"""Added to a run's seed for its sampler, so that start weights and choices are drawn apart."""


@dataclass(frozen=True)
class Batch:
    """What to train on now.

    Attributes:
        indices: Rows of the pool, `[b]`.
        coords: `[b, d_in]`; asks for a gradient where the sampler needs d loss / d coords.
        values: `[b, d_out]`.
        objective: What to minimise: (prediction, values, indices) -> scalar.
    """

    indices: Tensor
    coords: Tensor
    values: Tensor
    objective: Objective

    def loss(self, prediction: Tensor) -> Tensor:
        """The scalar to differentiate, for `prediction` `[b, d_out]` of `coords`."""
        _check_prediction(prediction, self.values)
        return self.objective(prediction, self.values, self.indices)


class Teacher:
    """Chooses the points of each training step.

    Args:
        field: Any deterministic module that treats each point on its own, `[n, d_in] -> [n, d_out]`.
        coords: `[n, d_in]`, on the module's device.
        values: `[n, d_out]`.
        sampler: A text form ("nint:random_share=0.5"), a sampler class or a sampler.
        total_steps: Length that schedules are laid out for.
        seed: Seed of the teacher's own generator; the global one is never touched.
        grid: Shape of the regular grid that the points fill in order, for samplers that look at neighbours.
        loss: "l2", "l1", "huber" or a `PointLoss`: the loss of your loop, whose gradient is g.
        chunk_size: Points at a time when scoring; None chooses for the device.
        value_range: Lowest and highest possible value.
        precision: Of forwards that only score points: "float32", or "bf16" for their large products (`nint.machine.precision`).
        check_finite: Look for NaN and infinity in the points; False where they are known to be finite.

    Raises:
        UsageError: where shapes do not fit, coords or values are NaN or infinite, or the sampler needs what the pool does not have.
        UnsupportedFieldError: for a module that is random or mixes points, or that the sampler cannot use.

    Cost: with `check_finite` a pass over the pool (over a sample of one that is read by rows and holds more than 2^26 points), and a few
    forwards of four points. Methods may be called within `torch.no_grad` or `torch.inference_mode`.
    """

    @gradients_enabled()
    def __init__(
        self,
        field: nn.Module,
        coords: Any,
        values: Any,
        sampler: str | Sampler[Any] | type[Sampler[Any]] = "nint",
        *,
        total_steps: int,
        seed: int = 0,
        grid: tuple[int, ...] | None = None,
        loss: str | PointLoss = "l2",
        chunk_size: int | None = None,
        value_range: tuple[float, float] = (0.0, 1.0),
        precision: str = "float32",
        check_finite: bool = True,
    ) -> None:
        if total_steps < 1:
            raise UsageError(f"total_steps={total_steps} must be at least 1.")
        refuse_after_fork()
        self.field = field
        self.sampler: Sampler[Any] = SAMPLERS.parse(sampler)
        if not isinstance(self.sampler, Sampler):
            raise UsageError(f"sampler={sampler!r} is not a sampler; give a text form such as 'nint', or a Sampler.")
        self._name, needs = SAMPLERS.name_of(self.sampler), self.sampler.requires()
        self.sampler = effective(self.sampler)
        self.total_steps = total_steps
        self.step = 0
        self.loss = make_loss(loss)
        self.cost = Cost()
        self.wants_coord_gradient = "coord_gradient" in needs
        self.wants_kernel = "kernel" in needs
        self._given = Pool(coords, values, grid, value_range)
        self._check_finite = check_finite
        pool = checked_pool(self._given, field, check_finite)
        self.probe = Probe(field, pool, self.loss, chunk_size, self.cost, precision=precision)
        check_needs(self.sampler, self.probe, self._name)
        self._try_field(needs)
        self.rng = torch.Generator(device=pool.device)
        self.rng.manual_seed(seed + SEED_OFFSET)
        self.state = self.sampler.init(self.probe, total_steps, self.rng)
        self._selection: Selection | None = None
        self._batch: Batch | None = None

    def _try_field(self, needs: frozenset[str]) -> None:
        """Refuses a network that the sampler cannot use.

        Raises:
            UnsupportedFieldError: names the samplers that can.
        """
        require_pointwise(self.field)
        pool = self.probe.pool
        apart = sorted({i * (len(pool) - 1) // 3 for i in range(4)})  # not neighbours, which may have a coordinate in common
        few = pool.coords[torch.tensor(apart, device=pool.device)]
        output = try_forward(self.field, few)
        if isinstance(output, Tensor):
            require_pointwise_behaviour(self.field, few, pool.out_features)
        elif "prediction" in needs:
            try:
                require_tensor(output)
            except UnsupportedFieldError as error:
                raise UnsupportedFieldError(f"{str(error).rstrip('.')}, or {self._other_samplers('prediction')}.") from None
        if self.wants_kernel:
            require_kernel(self.field, few, self._other_samplers("kernel"))

    def _other_samplers(self, need: str) -> str:
        """Advice to take a built-in sampler that does not have a need."""
        offered = frozenset(() if self.probe.grid is None or len(self.probe.grid) != 2 else ("grid2d",))
        met = offered | {"coord_gradient", "prediction", "kernel"} - {need}
        samplers: dict[str, type[Sampler[Any]]] = {name: SAMPLERS.get(name) for name in SAMPLERS.names(plugins=False)}
        names = [name for name, sampler in samplers.items() if sampler.needs <= met]
        return f"use a sampler that does not need it ({', '.join(names)})"

    @gradients_enabled()
    def select(self) -> Selection:
        """Chooses the points of the current step.

        Raises:
            UsageError: in a forked process that would hang.
        """
        refuse_after_fork()
        self.probe.clear_cache()
        self._selection, self.state = self.sampler.select(self.state, self.step, self.probe, self.rng)
        return self._selection

    @gradients_enabled()
    def next(self) -> Batch:
        """Chooses the points of the current step and gathers them.

        Raises:
            UsageError: where the previous batch was not reported, without which the step would never move on.
        """
        if self._batch is not None:
            raise UsageError("The last batch was not reported; call observe(prediction) after backward() and before the next next().")
        selection = self.select()
        coords = self.probe.coords[selection.indices]
        if self.wants_coord_gradient:
            coords = coords.detach().requires_grad_(True)
        self._batch = Batch(selection.indices, coords, self.probe.values[selection.indices], selection.objective or self.loss)
        return self._batch

    def observe(self, prediction: Tensor, point_loss: Tensor | None = None) -> None:
        """Reports the step to the sampler and moves on to the next one. Call it after `backward()`.

        Args:
            prediction: Of the batch, before the update, `[b, d_out]`.
            point_loss: The loss of each point `[b]`; computed from the prediction if None.

        Raises:
            UsageError: where no batch was taken, shapes do not fit, or the sampler needs a gradient that backward() did not leave.
        """
        if self._batch is None:
            raise UsageError("observe() reports a batch of next(); call next() first.")
        _check_prediction(prediction, self._batch.values)
        prediction = prediction.detach()
        if point_loss is None:
            point_loss = self.loss.point_loss(prediction, self._batch.values)
        slope = self._batch.coords.grad if self.wants_coord_gradient else None
        if self.wants_coord_gradient and slope is None:
            raise UsageError("This sampler needs d loss / d coords; call loss.backward() on batch.coords before observe().")
        gradient = {name: p.grad for name, p in self.field.named_parameters() if p.grad is not None}
        self.report(Feedback(prediction, point_loss.detach(), slope, gradient))
        self._batch = None

    @gradients_enabled()
    def report(self, feedback: Feedback) -> None:
        """Passes a step's feedback to the sampler and moves on to the next step.

        Raises:
            UsageError: where no points were selected.
        """
        if self._selection is None:
            raise UsageError("There is no selection to report on; call select() first.")
        self.state = self.sampler.observe(self.state, self.step, self._selection, feedback)
        self._selection = None
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides what comes next, but for network, points and settings: tensors on the CPU, and one text.

        A teacher that is made anew with the same settings and has it loaded chooses the same points.

        Raises:
            UsageError: between a batch and its report.
        """
        self._check_between_steps()
        saved = Saved(self.step, self.probe.epoch, self.cost, self.state, self.rng.get_state())
        return to_dict(saved, self.sampler, self.total_steps)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes `state_dict`. Points that were replaced since the start are replaced again before it.

        Raises:
            UsageError: for the state of a teacher with another sampler or length, and between a batch and its report.
        """
        self._check_between_steps()
        saved = from_dict(state_dict, self.sampler, self.total_steps, self.state, self.probe.device)
        self.step, self.state = saved.step, saved.state
        vars(self.cost).update(vars(saved.cost))
        self.rng.set_state(saved.rng)
        self.probe.pool = replace(self.probe.pool, epoch=saved.epoch)
        self.probe.clear_cache()

    def _check_between_steps(self) -> None:
        if self._selection is not None:
            raise UsageError("The state is saved and loaded between steps, not between a batch and its observe().")

    def replace_pool(self, coords: Any, values: Any, grid: tuple[int, ...] | None = None) -> None:
        """Trains on other points from now on; everything cached by index is dropped."""
        self.set_pool(Pool(coords, values, grid, self.probe.pool.value_range, self.probe.epoch + 1))

    @gradients_enabled()
    def set_pool(self, pool: Pool) -> None:
        """Trains on another pool from now on. Its epoch must differ from that of any other set of points.

        Raises:
            UsageError: where it does not fit the first pool or the sampler, is NaN or infinite, or a step is under way.
        """
        if self._selection is not None:
            raise UsageError("The points cannot be replaced between a batch and its observe(); replace them before the next batch.")
        if pool is self._given:
            return
        given, old = pool, self.probe.pool
        pool = checked_pool(given, self.field, self._check_finite)
        if (pool.in_features, pool.out_features) != (old.in_features, old.out_features):
            raise UsageError(
                f"The new points have {pool.in_features} coordinates and {pool.out_features} values each; "
                f"the first ones had {old.in_features} and {old.out_features}."
            )
        check_needs(self.sampler, Probe(self.field, pool, self.loss), self._name)
        self._given, self.probe.pool = given, pool
        self.probe.clear_cache()


def _check_prediction(prediction: Tensor, values: Tensor) -> None:
    if prediction.shape != values.shape:
        raise UsageError(f"The prediction {tuple(prediction.shape)} must have the shape of the batch's values, {tuple(values.shape)}.")
