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

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nint.arguments import switch
from nint.distributed.probe import ShardedProbe
from nint.distributed.states import own_state, whole_state
from nint.errors import UsageError
from nint.machine.fork import refuse_after_fork
from nint.machine.grad_mode import gradients_enabled
from nint.ntk.check import require_module
from nint.probe.called import ResidualFunction
from nint.probe.cost import Cost
from nint.probe.objectives import PointLoss, make_loss
from nint.probe.point_sets import PointSets
from nint.probe.pool import checked_pool
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.base import Feedback, Sampler, Selection, check_needs, require_sampler
from nint.samplers.batch import Batch as Batch
from nint.samplers.batch import check_prediction
from nint.samplers.candidates import effective
from nint.samplers.saving import Saved, from_dict, to_dict
from nint.samplers.suits import Suited
from nint.settings import whole
from nint.signals.base import Pool
from nint.signals.inputs import Inputs, several
from nint.teacher.given import (
    OWN_LOSS,
    checked_grid,
    checked_range,
    checked_seed,
    group_of,
    looked_at,
    range_of,
    replacement,
    sharded,
    targets,
    unwrapped,
    where_grid_helps,
    with_zeros,
)

SEED_OFFSET = 0x5EED
"""Added to a run's seed for its sampler, so that start weights and choices are drawn apart."""


class Teacher:
    """Chooses the points of each training step.

    The loss is that of predictions and values, or with `residual` that of residuals, which may contain derivatives of the network with
    respect to its coordinates: then scores, K g and errors are of the residuals, with J their derivative with respect to the weights.

    Args:
        field: A module `[n, d_in] -> [n, d_out]`. Samplers that use the kernel need one that is deterministic and treats each point on its
            own; others also work with one that is random or mixes points, and look at it as in `eval()`.
        coords: `[n, d_in]`, on the module's device; or a tuple or dict of tensors `[n, ...]`, which the module takes as its arguments.
        values: `[n, d_out]`; None with `residual`.
        sampler: A text form ("nint:random_share=0.5"), a sampler class or a sampler.
        total_steps: Length that schedules are laid out for.
        residual: (field, coords of b points) -> residuals `[b, r]`. It must call the network that it is given, and may differentiate it
            with `torch.func` or, with `create_graph=True`, `torch.autograd.grad`.
        seed: Seed of the teacher's own generator; the global one is never touched.
        grid: Shape of the regular grid that the points fill in order, for samplers that look at neighbours.
        loss: "l2", "l1", "huber" or a `PointLoss`: the loss of your loop, whose gradient is g. "l2" is the mean square: over points, and
            over the channels (or residuals) of a point.
        chunk_size: Points at a time when scoring; None chooses for the device.
        value_range: Lowest and highest possible value, black and white to samplers that see an image; None is 0 and 1, or the values' own
            lowest and highest where they reach beyond these.
        precision: Of forwards that only score points: "float32", or "bf16" for their large products (`nint.machine.precision`).
        check_finite: Look for NaN and infinity in the points; False where they are known to be finite.
        group: Processes of `torch.distributed` that train one network together, each on rows of its own: `coords` and `values` are then
            those of this process (there may be none), and points are chosen over those of all. Average the gradients over the group, as
            DistributedDataParallel does, and give all the same seed. None is one process.

    Raises:
        UsageError: where shapes do not fit, coords or values are NaN or infinite, the residual function fails, or the sampler needs what
            the pool does not have.
        UnsupportedFieldError: for a module or a residual that the sampler cannot use; it says which samplers can.

    Cost: with `check_finite` a pass over the pool (over a sample of one that is read by rows and holds more than 2^26 points), and a few
    forwards of four points. Methods may be called within `torch.no_grad` or `torch.inference_mode`.
    """

    @gradients_enabled()
    def __init__(
        self,
        field: nn.Module,
        coords: Any,
        values: Any = None,
        sampler: str | Sampler[Any] | type[Sampler[Any]] = "nint",
        *,
        total_steps: int,
        residual: ResidualFunction | None = None,
        seed: int = 0,
        grid: tuple[int, ...] | None = None,
        loss: str | PointLoss = "l2",
        chunk_size: int | None = None,
        value_range: tuple[float, float] | None = None,
        precision: str = "float32",
        check_finite: bool = True,
        group: Any = None,
    ) -> None:
        total_steps, seed, grid = whole(total_steps, "total_steps"), checked_seed(seed), checked_grid(grid)
        value_range, check_finite = checked_range(value_range), switch(check_finite, "check_finite")
        refuse_after_fork()
        field = require_module(field)
        if group is not None:
            field = unwrapped(field)
        self.field = field
        self.sampler = require_sampler(SAMPLERS.parse(sampler))
        self._name, self._text, needs = SAMPLERS.name_of(self.sampler), SAMPLERS.text(self.sampler), self.sampler.requires()
        self.sampler = effective(self.sampler)
        self.total_steps = total_steps
        self.step = 0
        self.loss = make_loss(loss, OWN_LOSS)
        self.cost = Cost()
        self.wants_coord_gradient = "coord_gradient" in needs
        self.wants_kernel = "kernel" in needs
        self.residual = residual
        self._check_finite = check_finite
        if residual is not None and precision != "float32":
            raise UsageError(f"precision={precision} is not possible with residual=, whose derivatives need float32; leave it out.")
        if isinstance(sets := getattr(residual, "__self__", None), PointSets):
            sets.check_loss(self.loss)
        points = several(coords)
        if group is not None and (residual is not None or isinstance(points, Inputs)):
            raise UsageError("With group= a teacher takes values and coords of one tensor [n, d_in]; leave residual and group apart.")
        shared = group_of(group, field)
        self._given = Pool(points, targets(residual, points, values, grid), grid, value_range or (0.0, 1.0))
        empty = shared is not None and len(points) == 0
        pool = self._given if empty else checked_pool(self._given, field, check_finite)
        if value_range is None:
            pool = replace(pool, value_range=range_of(pool.values, grid))
        if self.wants_coord_gradient and isinstance(points, Inputs):
            raise UsageError(f"{self._name} needs coords of one tensor [n, d_in], for d loss / d coords; here they are several inputs.")
        check_needs(self.sampler, pool, self._name, where_grid_helps(residual))
        self._look = Suited(field) if empty else looked_at(field, residual, pool, needs)
        self.probe = Probe(
            self._look.module,
            with_zeros(pool, self._look),
            self.loss,
            chunk_size,
            self.cost,
            precision=precision,
            tangents=self._look.tangents,
            in_evaluation=self._look.in_evaluation,
        )
        self._seen = self.probe if shared is None else sharded(self.probe, shared, self.sampler, self._name)
        self.rng = torch.Generator(device=pool.device)
        self.rng.manual_seed(seed + SEED_OFFSET)
        self.state = self.sampler.init(self._seen, total_steps, self.rng)
        self._first = True
        self._before: Saved | None = None
        self._selection: Selection | None = None
        self._chosen: Selection | None = None
        self._batch: Batch | None = None

    @gradients_enabled()
    def select(self) -> Selection:
        """Chooses the points of the current step.

        Raises:
            UsageError: in a forked process that would hang.
        """
        refuse_after_fork()
        self.probe.clear_cache()
        if isinstance(self._seen, ShardedProbe):
            self._chosen, self._selection, self.state = self._seen.select(self.sampler, self.state, self.step, self.rng)
            return self._selection
        self._before = self._saved()
        self._selection, self.state = self.sampler.select(self.state, self.step, self._seen, self.rng)
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
        self._batch = Batch(
            selection.indices,
            coords,
            self.probe.values[selection.indices],
            selection.objective or self.loss,
            compute=None if self.residual is None else self._residual_of,
            compares=self._first and self._look.alike,
            weight=self._weight(selection),
        )
        self._first = False
        return self._batch

    def _weight(self, selection: Selection) -> float:
        if not isinstance(self._seen, ShardedProbe):
            return 1.0
        counts = self._seen.group.counts(len(selection.indices))
        return len(counts) * len(selection.indices) / max(sum(counts), 1)

    def _residual_of(self, coords: Any) -> Tensor:
        """Residuals `[b, r]`, with a graph.

        Raises:
            UsageError: where there is none, or their number has changed.
        """
        residual: Tensor = self._look.module(coords)
        if residual.shape[1] != self.probe.values.shape[1]:
            raise UsageError(
                f"The residual function gave {self.probe.values.shape[1]} residuals a point before and {residual.shape[1]} now; it must "
                "give the same number for all points."
            )
        if not residual.requires_grad and torch.is_grad_enabled():
            raise UsageError("The residuals of this batch do not depend on the network's trainable weights, so there is nothing to train.")
        return residual

    def observe(self, prediction: Tensor | None = None, point_loss: Tensor | None = None) -> None:
        """Reports the step to the sampler and moves on to the next one. Call it after `backward()`.

        Args:
            prediction: Of the batch, before the update, `[b, d_out]`, or its residuals `[b, r]`; None: what `batch.loss` has seen last.
            point_loss: The loss of each point `[b]`; computed from the prediction if None.

        Raises:
            UsageError: where no batch was taken, shapes do not fit, or the sampler needs a gradient that backward() did not leave.
        """
        if self._batch is None:
            raise UsageError("observe() reports a batch of next(); call next() first.")
        if prediction is None:
            if not self._batch.seen:
                raise UsageError("observe() needs the prediction of the batch; give it, or take the loss from batch.loss().")
            prediction = self._batch.seen[0]
        check_prediction(prediction, self._batch.values)
        prediction = prediction.detach()
        if point_loss is None:
            point_loss = self.loss.point_loss(prediction, self._batch.values)
        elif tuple(point_loss.shape) != (len(prediction),):
            raise UsageError(f"point_loss {tuple(point_loss.shape)} must hold one loss for each point of the batch, ({len(prediction)},).")
        slope = self._batch.slope() if self.wants_coord_gradient else None
        if self.wants_coord_gradient and slope is None:
            raise UsageError("This sampler needs d loss / d coords; call loss.backward() on batch.coords before observe().")
        gradient = {name: p.grad for name, p in self._look.module.named_parameters() if p.grad is not None}
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
        chosen = self._selection
        if isinstance(self._seen, ShardedProbe) and self._chosen is not None:
            chosen, feedback = self._chosen, self._seen.completed(self.sampler, self._chosen, feedback)
        self.state = self.sampler.observe(self.state, self.step, chosen, feedback)
        self._selection = self._chosen = self._before = None
        self.step += 1

    @property
    def pending(self) -> Batch | None:
        """The batch that was not reported yet, or None."""
        return self._batch

    def state_dict(self, *, before_batch: bool = False) -> dict[str, Any]:
        """Everything that decides what comes next, but for network, points and settings: tensors on the CPU, and one text.

        A teacher that is made anew with the same settings and has it loaded chooses the same points. Over several processes all call it
        together and get the same; it can be loaded by any number of processes that hold the same rows in the same order.

        Args:
            before_batch: Between a batch and its report, give the state before that batch was chosen instead of an error.

        Raises:
            UsageError: between a batch and its report.
        """
        if before_batch and self._selection is not None and self._before is not None:
            return to_dict(self._before, self.sampler, self._text, self.total_steps, self.points)
        self._check_between_steps()
        return to_dict(self._saved(), self.sampler, self._text, self.total_steps, self.points)

    def _saved(self) -> Saved:
        return Saved(self.step, self.probe.epoch, replace(self.cost), self.whole_state(), self.rng.get_state())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes `state_dict`. Points that were replaced since the start are replaced again before it.

        Raises:
            UsageError: for the state of a teacher with another sampler, length or number of points, or on another kind of device, and
                between a batch and its report.
        """
        self._check_between_steps()
        saved = from_dict(state_dict, self.sampler, self._text, self.total_steps, self.state, self.probe.device, self.points)
        try:
            self.rng.set_state(saved.rng)
        except (RuntimeError, TypeError) as error:
            raise UsageError(f"The state's generator does not fit one on {self.rng.device}; it was saved on another device.") from error
        self.step = saved.step
        self.take_state(saved.state)
        vars(self.cost).update(vars(saved.cost))
        self.probe.pool = replace(self.probe.pool, epoch=saved.epoch)
        self.probe.clear_cache()

    def whole_state(self, everywhere: bool = True) -> Any:
        """The sampler's state as one process would have it.

        Args:
            everywhere: Over several processes, which call this together: whether all get it, or only the first.
        """
        if not isinstance(self._seen, ShardedProbe):
            return self.state
        return whole_state(self.state, self._seen.shard, self._seen.group, everywhere)

    def take_state(self, state: Any) -> None:
        """Sets the sampler's state to one that `whole_state` gave; over several processes each takes what concerns its rows."""
        self.state = own_state(state, self._seen.shard) if isinstance(self._seen, ShardedProbe) else state

    @property
    def points(self) -> int:
        """Points to choose from, those of other processes included."""
        return len(self._seen)

    def _check_between_steps(self) -> None:
        if self._selection is not None:
            raise UsageError("The state is saved and loaded between steps, not between a batch and its observe().")

    def replace_pool(self, coords: Any, values: Any = None, grid: tuple[int, ...] | None = None) -> None:
        """Trains on other points from now on; everything cached by index is dropped. With `residual` values are left out."""
        points, grid = several(coords), checked_grid(grid)
        self.set_pool(Pool(points, targets(self.residual, points, values, grid), grid, self.probe.pool.value_range, self.probe.epoch + 1))

    @gradients_enabled()
    def set_pool(self, pool: Pool) -> None:
        """Trains on another pool from now on. Its epoch must differ from that of any other set of points.

        Raises:
            UsageError: where it does not fit the first pool or the sampler, is NaN or infinite, or a step is under way; and over several
                processes.
        """
        if self._selection is not None:
            raise UsageError("The points cannot be replaced between a batch and its observe(); replace them before the next batch.")
        if pool is self._given:
            return
        if isinstance(self._seen, ShardedProbe):
            raise UsageError("Points cannot be replaced over several processes; make a new teacher.")
        given = pool
        pool = replacement(given, self.probe.pool, self.field, self._look, self._check_finite)
        check_needs(self.sampler, pool, self._name, where_grid_helps(self.residual))
        self._given, self.probe.pool = given, pool
        self.probe.clear_cache()
