"""WHICH COORDINATES. One short file a strategy; `nint.py` reads like Sec. 4.1.1 of the paper."""

from nint.registry import Registry
from nint.samplers.base import BatchSampler, Feedback, Sampler, ScoredSampler, Selection
from nint.samplers.picker import Picker

SAMPLERS = Registry(
    "sampler",
    {
        "nint": "nint.samplers.nint:Nint",
        "nint-fast": "nint.samplers.nint_fast:NintFast",
        "nint-reference": "nint.samplers.nint_reference:NintReference",
        "nint-ablation": "nint.samplers.nint_ablation:NintAblation",
        "full": "nint.samplers.full:Full",
        "uniform": "nint.samplers.uniform:Uniform",
        "int": "nint.samplers.int:Int",
        "evos": "nint.samplers.evos:Evos",
        "expansive": "nint.samplers.expansive:Expansive",
        "egra": "nint.samplers.egra:Egra",
        "soft-mining": "nint.samplers.soft_mining:SoftMining",
    },
    group="nint.samplers",
    base=Sampler,
)

__all__ = ["SAMPLERS", "BatchSampler", "Feedback", "Picker", "Sampler", "ScoredSampler", "Selection"]
