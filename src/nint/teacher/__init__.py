"""The plug-in for someone else's training loop: `Teacher` chooses points step by step."""

from nint.teacher.steps import SEED_OFFSET as SEED_OFFSET
from nint.teacher.steps import Batch as Batch
from nint.teacher.steps import Teacher as Teacher
