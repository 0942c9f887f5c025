"""What heads, weights and tokens do to a prediction."""

from viz.effects.knock_out import Head, KnockOuts, knock_out
from viz.effects.target import Objective, Target, objective
from viz.effects.weight_gradients import HeadGradients, WeightGradients, weight_gradients

__all__ = [
    "Head",
    "HeadGradients",
    "KnockOuts",
    "Objective",
    "Target",
    "WeightGradients",
    "knock_out",
    "objective",
    "weight_gradients",
]
