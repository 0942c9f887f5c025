"""Text, image, sound or own tensors -> a model's inputs, and the units that they are made of."""

from viz.inputs.units import Units

__all__ = ["Units"]
