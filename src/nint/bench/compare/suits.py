"""Whether every pairing of a comparison can be trained, looked at before the first one is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from nint.errors import UnsupportedFieldError
from nint.fields import FIELDS, FieldSpec
from nint.ntk.check import require_pointwise
from nint.runs.job import Job
from nint.samplers import SAMPLERS
from nint.samplers.base import check_needs
from nint.samplers.candidates import effective
from nint.signals.base import Pool
from nint.teacher.given import looked_at


def check_pairings(jobs: Iterable[tuple[Job, Pool]]) -> None:
    """Refuses a sampler that cannot choose among the points of an input, or that cannot use a network.

    Args:
        jobs: A job of each pairing of sampler, network and input, and the points of the input on the CPU.

    Raises:
        UsageError: says what is wrong and what would be right.
        UnsupportedFieldError: likewise, for a network.

    Cost: a network of each kind and number of inputs and outputs is built, and called with a few points for each sampler.
    """
    seen = set()
    for job, pool in jobs:
        name = SAMPLERS.name_of(job.sampler)
        check_needs(job.sampler, pool, name)
        needs = effective(job.sampler).requires()
        if not isinstance(job.field, FieldSpec):
            continue
        text = FIELDS.text(job.field)
        pairing = (text, needs, pool.in_features, pool.out_features)
        if pairing in seen:
            continue
        seen.add(pairing)
        field = dataclasses.replace(job, device=pool.device).build_field()
        try:
            require_pointwise(field)
            looked_at(field, None, pool, needs)
        except UnsupportedFieldError as error:
            raise UnsupportedFieldError(f"{name} with {text}: {error}") from error
