"""What heads, weights and tokens do to a prediction."""

from viz.effects.direct_attribution import DirectAttribution, Share, direct_attribution
from viz.effects.edge_search import EdgeSearch, smallest_edges
from viz.effects.edges import Edges
from viz.effects.knock_out import KnockOuts, knock_out
from viz.effects.knock_out_edges import EdgeKnockOuts, knock_out_edges
from viz.effects.logit_lens import LogitLens, logit_lens
from viz.effects.order_curves import OrderCurves, order_curves
from viz.effects.permuted_heads import permuted_heads
from viz.effects.prediction_effects import Effects, WeightKind, effects
from viz.effects.replacements import Head, Mlp, Together
from viz.effects.rollout import rollout
from viz.effects.target import Objective, Target, objective
from viz.effects.tokens_by_method import TokenMethod
from viz.effects.trust import HeadNote, agreement, misleading, token_agreement
from viz.effects.weight_gradients import HeadGradients, WeightGradients, weight_gradients

__all__ = [
    "DirectAttribution",
    "EdgeKnockOuts",
    "EdgeSearch",
    "Edges",
    "Effects",
    "Head",
    "HeadGradients",
    "HeadNote",
    "KnockOuts",
    "LogitLens",
    "Mlp",
    "Objective",
    "OrderCurves",
    "Share",
    "Target",
    "Together",
    "TokenMethod",
    "WeightGradients",
    "WeightKind",
    "agreement",
    "direct_attribution",
    "effects",
    "knock_out",
    "knock_out_edges",
    "logit_lens",
    "misleading",
    "objective",
    "order_curves",
    "permuted_heads",
    "rollout",
    "smallest_edges",
    "token_agreement",
    "weight_gradients",
]
