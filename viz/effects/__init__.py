"""What heads, weights and tokens do to a prediction."""

from viz.effects.direct_attribution import DirectAttribution, Share, direct_attribution
from viz.effects.knock_out import Head, KnockOuts, knock_out
from viz.effects.target import Objective, Target, objective
from viz.effects.weight_gradients import HeadGradients, WeightGradients, weight_gradients

__all__ = [
    "DirectAttribution",
    "Head",
    "HeadGradients",
    "KnockOuts",
    "Objective",
    "Share",
    "Target",
    "WeightGradients",
    "direct_attribution",
    "knock_out",
    "objective",
    "weight_gradients",
]
