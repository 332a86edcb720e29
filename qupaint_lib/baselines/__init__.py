"""Baselines: detectors and simpler ideas, trained on the same data within the same minutes.

``samples`` shows images as the small model sees them, ``detectors`` makes RT-DETRv2 and
Mask2Former of transformers, ``fit`` trains them until a budget is spent, ``predict`` asks them
window by window; ``mixture`` is 2DMatGMM's idea, ``physics`` the finder, ``stages`` the small model
in its two stages, ``start`` given weights that the second can start from. ``run`` puts a baseline
together, ``ablation`` Table 5, ``marks`` compares its cells, ``costs`` counts parameters and
operations, ``collect`` keeps what comes with the library.
See ``python -m qupaint_lib.baselines --help``.

Importing this room imports neither torch nor transformers; asking it for a name does.
"""

from __future__ import annotations

import lazy_loader

_HOMES = {
    "ablation": ("Cell", "Mixed", "Plan", "make_ablation_exam", "run_ablation"),
    "collect": ("collect_runs", "load_results", "predictions_file"),
    "costs": ("count_flops", "count_parameters"),
    "detectors": ("DETECTORS", "Detector", "mask2former_config", "rt_detr_config"),
    "fit": ("Budget", "FitConfig", "fit_detector"),
    "marks": ("FIGURES", "by_kind", "gain", "losses_of", "marks_of", "mean_mark"),
    "mixture": ("Mixture", "fit_mixture"),
    "physics": ("detect_by_physics", "microscope_of"),
    "predict": ("Detected", "predictions_of", "windowed"),
    "run": ("BASELINES", "Options", "run_baseline", "scores_of", "scored_images"),
    "samples": ("Sample", "make_sample", "pixels_for", "stream_samples"),
    "start": ("dialogues_kept", "started", "with_variant"),
    "stages": ("Stages", "train_dense", "train_joint"),
}  # fmt: skip

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_HOMES)
