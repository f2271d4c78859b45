"""A teacher in Lightning: its state in Lightning's checkpoints, each step reported.

teacher = nint.Teacher(module.net, coords, values, "nint", total_steps=1000)
trainer = L.Trainer(callbacks=[TeacherCallback(teacher)], max_steps=1000)
trainer.fit(module, TeacherBatches(teacher))   # training_step: return batch.loss(self.net(batch.coords))
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nint.errors import UsageError
from nint.teacher import Teacher

if TYPE_CHECKING:
    from lightning.pytorch import Callback
else:
    # A program that has loaded one of the two packages gets a callback of that one: they do not accept each other's.
    names = ["pytorch_lightning", "lightning.pytorch"]
    for name in sorted(names, key=lambda name: (name not in sys.modules, name)):
        try:
            Callback = __import__(name, fromlist=["Callback"]).Callback
            break
        except ImportError:
            continue
    else:
        raise UsageError("TeacherCallback needs Lightning, which is not installed; pip install 'nint[lightning]'.")


class TeacherCallback(Callback):
    """Reports each step to a teacher, and keeps its state in Lightning's checkpoints: a resumed run chooses the same points.

    In `training_step` the loss is `batch.loss(prediction)`; what it was given is reported after the update. Make the network and the points
    on the device that the trainer uses, before the teacher.

    Args:
        teachers: One, or several where there are several point sets.

    Raises:
        UsageError: without a teacher; and in `fit`, for what cannot work (several processes, another device).
    """

    def __init__(self, *teachers: Teacher) -> None:
        if not teachers or not all(isinstance(teacher, Teacher) for teacher in teachers):
            raise UsageError("TeacherCallback needs the teachers that choose the points: TeacherCallback(teacher).")
        self.teachers = teachers

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Refuses what a teacher cannot serve.

        Raises:
            UsageError: for several processes, another device, or scaled gradients where the sampler uses d loss / d coords.
        """
        if trainer.world_size > 1:
            raise UsageError(f"A teacher serves one process, and this trainer runs {trainer.world_size}; use devices=1.")
        for teacher in self.teachers:
            device = next((p.device for p in teacher.field.parameters()), teacher.probe.device)
            if device != teacher.probe.device:
                raise UsageError(
                    f"The trainer has moved the network to {device} and the teacher's points are on {teacher.probe.device}; move both "
                    "there before the teacher is made."
                )
            scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
            if teacher.wants_coord_gradient and (scaled or trainer.accumulate_grad_batches > 1):
                raise UsageError(
                    "This sampler uses d loss / d coords, which gradient scaling (16-mixed) and accumulate_grad_batches change; use "
                    "32-bit or bf16 precision and an update for each batch, or another sampler."
                )

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Reports the step to every teacher that gave a batch for it.

        Raises:
            UsageError: where the loss was not taken from that batch.
        """
        for teacher in self.teachers:
            if teacher.pending is not None:
                teacher.observe()

    def state_dict(self) -> dict[str, Any]:
        """The states of the teachers; within a step, those before its batch was chosen."""
        return {str(number): teacher.state_dict(before_batch=True) for number, teacher in enumerate(self.teachers)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes `state_dict`.

        Raises:
            UsageError: for the state of other teachers.
        """
        if set(state_dict) != {str(number) for number in range(len(self.teachers))}:
            raise UsageError(f"The checkpoint holds the state of {len(state_dict)} teachers, and this callback has {len(self.teachers)}.")
        for number, teacher in enumerate(self.teachers):
            teacher.load_state_dict(state_dict[str(number)])
