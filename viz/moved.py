"""Modules by the names that they had once: whoever imports one gets the module that it has become, and a warning."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Old package, new package, and each module by both of its names.
MOVED: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "viz.models",
        "viz.models",
        {
            "address": "hub_address",
            "arguments": "argument_checks",
            "context": "context_length",
            "conversion": "converted_folder",
            "dinov2": "convert_dinov2",
            "whisper": "convert_whisper",
            "listed": "model_list",
            "reasons": "loading_errors",
            "sentences": "sentence_transformers",
            "signature": "forward_signature",
            "heads": "head_count",
            "turns": "load_lock",
            "preserve": "preserve_state",
            "foresight": "time_left",
            "limits": "run_cost",
            "outputs": "model_outputs",
        },
    ),
    ("viz.models", "viz", {"softmax": "attention_formula"}),
    (
        "viz.models",
        "viz.inputs",
        {
            "text": "text",
            "tokens": "units",
            "media": "media",
            "senses": "modalities",
            "own_inputs": "own_tensors",
            "prepare": "prepare",
            "prepared": "prepared",
            "readable": "input_checks",
            "patches": "patch_names",
            "sample": "sample_inputs",
            "allowance": "processor_limits",
            "past": "past_key_values",
            "shares": "batch_rows_per_input",
            "spelling": "token_text",
            "times": "frame_times",
            "unknown": "unknown_tokens",
            "words": "words",
            "writing": "default_target",
        },
    ),
    (
        "viz.models",
        "viz.capture.tiers",
        {
            "attention": "registry",
            "watch": "sdpa_calls",
            "kernel_axes": "sdpa_axes",
            "putback": "output_projection",
            "named": "named",
            "values": "value_probe",
            "returned": "eager",
            "softmaxes": "softmax_calls",
            "by_hand": "hand_written",
            "observation": "observation",
            "plans": "plans",
            "ways": "attention_implementations",
            "probe": "sample_probe",
            "proof": "compare_outputs",
            "refusal": "refusals",
            "hidden": "unshown_parts",
            "calling": "running_part",
            "calls": "part_calls",
            "axes": "hand_written_axes",
            "places": "product_layout",
            "written": "whole_patterns",
        },
    ),
    (
        "viz.models",
        "viz.capture.replay",
        {
            "rerun": "replay",
            "running": "module_runs",
            "marked": "replay_with_marked_values",
            "pieces": "pattern_pieces",
            "products": "recorded_products",
            "weighing": "product_axes",
            "matrices": "weight_matrices",
            "rows": "matching_rows",
            "chunked": "joined_chunks",
            "rounding": "rounding",
            "alone": "identity_attention",
        },
    ),
    (
        "viz.models",
        "viz.capture.positions",
        {
            "coded": "position_code_passes",
            "codes": "position_code_records",
            "contents": "position_code_contents",
            "convolved": "skipped_convolutions",
            "decisions": "data_dependent_branches",
            "choices": "sorting_calls",
            "cells": "input_cells",
            "seeing": "position_code_pass",
            "steps": "position_code_steps",
            "decoding": "position_decoding",
            "origins": "unit_origins",
        },
    ),
    (
        "viz.capture",
        "viz.capture.positions",
        {
            "arranged": "units_in_input_order",
            "known_places": "known_positions",
            "naming": "unit_names",
        },
    ),
    (
        "viz.capture",
        "viz.capture.external_weights",
        {
            "given": "load_weights",
            "given_arrays": "arrays",
            "given_axes": "array_axes",
            "given_file": "weight_files",
            "given_kinds": "array_names",
        },
    ),
    (
        "viz.capture",
        "viz.capture.generation",
        {
            "asked": "generation_options",
            "stitching": "row_stitching",
            "witness": "generation_record",
            "writing": "running_generation",
        },
    ),
    (
        "viz.capture",
        "viz.capture.checking",
        {
            "apart": "pass_differences",
            "chance": "random_draws",
            "theirs": "own_attentions",
            "readings": "returned_attentions",
            "own_pass": "reference_pass",
        },
    ),
    (
        "viz.capture",
        "viz.capture.layers",
        {
            "layer": "recorded_layer",
            "mask": "mask",
            "sparse": "sparse_layer",
            "windows": "windowed_layer",
            "heard": "heard_layer",
            "streams": "streams",
            "merged": "merged_keys",
            "channels": "channel_attention",
            "chunks": "joined_calls",
            "reading": "blockwise_weights",
        },
    ),
    (
        "viz.capture",
        "viz.capture",
        {
            "stacks": "stack_building",
            "verify": "verification",
            "passes": "observed_pass",
            "proving": "proven_pass",
            "batch": "batch_item",
            "eager": "unregistered_layers",
        },
    ),
    (
        "viz.compare",
        "viz.compare",
        {
            "align": "unit_alignment",
            "changed": "head_changes",
            "clusters": "head_clusters",
            "matching": "edit_alignment",
            "moving": "weights_in_common_units",
            "pairs": "pairwise_divergence",
            "proportions": "grid_alignment",
            "sampling": "row_sampling",
            "side": "compared_side",
            "spelled": "text_units",
            "steps": "checkpoint_distance",
            "table": "variant_table",
            "words": "word_split",
            "edits": "minimal_pairs",
            "template": "text_template",
        },
    ),
    (
        "viz.analysis",
        "viz.analysis",
        {
            "approximate": "approximate_attention",
            "cheaper": "approximation_error",
            "costs": "attention_costs",
            "exact": "exact_head",
            "lesson": "worked_example",
            "meaning": "sentence_similarity",
            "measures": "worked_example_measures",
            "numbers": "matrix_input",
            "recurrence": "recurrence_vs_attention",
            "slips": "common_mistakes",
            "targets": "head_patterns",
            "edges": "strongest_edges",
        },
    ),
    (
        "viz.patterns",
        "viz.patterns",
        {
            "edges": "top_keys",
            "glances": "query_in_all_heads",
            "kernel": "kernel_logsumexp",
            "pyramid": "tile_pyramid",
            "rows": "row_statistics",
            "sinks": "attention_sinks",
            "streamed": "streamed_statistics",
            "sums": "span_sums",
            "pooling": "max_pooling",
        },
    ),
    (
        "viz.service",
        "viz.service",
        {
            "analysis": "run_result",
            "asking": "run_request",
            "drawing": "background_statistics",
            "reading": "text_coverage",
            "room": "disk_space",
            "store": "lru_store",
            "texts": "link_text_store",
            "files": "file_store",
            "tokens": "result_ids",
            "tiles": "tile_data",
            "visitors": "browser_sessions",
            "trainings": "training_jobs",
            "examples": "example_cache",
            "media": "uploaded_media",
            "checkpoints": "checkpoint_cache",
            "comparisons": "comparison_cache",
            "routes": "tile_routes",
            "workbench": "run_service",
        },
    ),
    (
        "viz.training",
        "viz.training",
        {
            "asked": "training_request",
            "card": "model_card",
            "folder": "training_folder",
            "hold": "folder_lock",
            "loop": "training_loop",
            "memory": "optimizer_state",
            "notes": "training_log",
            "outcome": "final_scores",
            "rows": "dataset_batches",
            "run": "training_run",
            "settings": "training_settings",
            "shipped": "bundled_data",
            "trial": "evaluation",
            "turn": "training_queue",
            "threads": "cpu_threads",
            "texts": "user_text",
            "examples": "task_examples",
        },
    ),
    (
        "viz.figures",
        "viz.figures",
        {
            "absent": "undefined_cells",
            "changes": "head_changes",
            "compare": "compared_patterns",
            "layout": "text_layout",
            "matrix": "small_matrix",
            "media": "media_overlay",
            "media_compared": "compared_media",
            "overview": "head_matrix",
            "pattern": "pattern_heatmap",
            "similarity": "head_similarity",
            "training": "training_curves",
            "curves": "line_charts",
            "display": "display_options",
        },
    ),
    (
        "viz.models.custom",
        "viz.models.custom",
        {
            "attention": "attention_module",
            "blocks": "transformer_block",
            "checks": "option_checks",
            "config": "pretrained_config",
            "folder": "model_folder",
            "inside": "recorded_steps",
            "losses": "task_losses",
            "masks": "attention_masks",
            "options": "model_options",
            "positions": "position_encodings",
            "pretrained": "transformers_models",
            "steps": "attention_steps",
            "textbook": "textbook_attention",
            "words": "small_tokenizers",
        },
    ),
)

NEW_NAMES = {
    f"{old}.{before}": f"{new}.{after}"
    for old, new, names in MOVED
    for before, after in names.items()
}


class _Package(ModuleType):
    """A package in which what has the name that a module had once stays what it is.

    `viz.compare.changed` is a function, and was the module of that function, too. Python gives a package each
    module that is imported out of it, over whatever else has its name there.
    """

    def __setattr__(self, name: str, value: object) -> None:
        own = self.__dict__.get(name)
        moved = f"{self.__name__}.{name}" in NEW_NAMES and isinstance(value, ModuleType)
        if own is None or isinstance(own, ModuleType) or not moved:
            super().__setattr__(name, value)


class _Moved(Loader):
    """Loads a module by its old name: the very module that has the new one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import it by its new name."""
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave it as it is; whoever imported it gave it another spec meanwhile."""
        module.__spec__ = self._spec


class _Finder(MetaPathFinder):
    """Finds modules by their old names."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Say where a module is now; None for any that has not moved."""
        new = NEW_NAMES.get(fullname)
        if new is None:
            return None
        package = sys.modules[fullname.rpartition(".")[0]]
        if type(package) is ModuleType:
            package.__class__ = _Package
        warnings.warn(f"{fullname} is now {new}.", DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _Moved(new))


def moved_names(package: str, name: str, now_in: Mapping[str, str]) -> Any:
    """Answer for names that a package had once.

    Raises:
        AttributeError: it had none of that name.
    """
    if name not in now_in:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    warnings.warn(
        f"{package}.{name} is now {now_in[name]}.{name}.", DeprecationWarning, stacklevel=3
    )
    return getattr(importlib.import_module(now_in[name]), name)


def install() -> None:
    """Let Python find modules of this package by their old names."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
