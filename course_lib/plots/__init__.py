"""Figures: arrays in, Axes or a Figure out; `show` puts one into a notebook."""

from course_lib.plots.comparisons import against, single_runs
from course_lib.plots.curves import learning_curves, training_curves
from course_lib.plots.effects import confusion_matrix, intervals, ledger, paired_dots
from course_lib.plots.fewshot import episode_spaces, sheet_found, spread_of_episodes
from course_lib.plots.images import episode, feature_maps, filters, image_grid
from course_lib.plots.scenes import precision_recall, scene_boxes, scene_masks
from course_lib.plots.show import show
from course_lib.plots.spaces import domain_spaces, seeds_and_mine
from course_lib.plots.style import BLUE, COLOURS, GREEN, MARKERS, ORANGE, PURPLE, RED, SKY
from course_lib.plots.tradeoffs import tradeoff

__all__ = [
    "BLUE",
    "COLOURS",
    "GREEN",
    "MARKERS",
    "ORANGE",
    "PURPLE",
    "RED",
    "SKY",
    "against",
    "confusion_matrix",
    "domain_spaces",
    "episode",
    "episode_spaces",
    "feature_maps",
    "filters",
    "image_grid",
    "intervals",
    "learning_curves",
    "ledger",
    "paired_dots",
    "precision_recall",
    "scene_boxes",
    "scene_masks",
    "seeds_and_mine",
    "sheet_found",
    "show",
    "single_runs",
    "spread_of_episodes",
    "tradeoff",
    "training_curves",
]
