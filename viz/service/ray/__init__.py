"""The service over a Ray cluster: models, traces and effects live in replicas of a Ray Serve deployment.

A page asks through `RayWorkbench`, which answers as the `Workbench` of one process does. What it returns are
stand-ins: their numbers stay in the replica that made them, and what is asked of them is computed there.
"""
