"""The table of exercises: one row each, in the order of the course."""

from typing import NamedTuple


class Exercise(NamedTuple):
    """What is known of an exercise before it is run; difficulty is 1 (easy) to 3 (hard).

    No points: the exercise is optional.
    """

    id: str
    module: str
    points: int
    minutes: int
    difficulty: int
    signature: str
    solution: str | None  # "package.module:function" in this library; None: read by a person

    @property
    def section(self) -> str:
        """The file of the module's probe, judge and messages, such as ``m01``."""
        return "m" + self.module[:2]


_START, _FEATURES, _FINE_TUNING = "00_start_here", "01_feature_extraction", "02_fine_tuning"
_WHEN, _DOMAINS = "03_when_transfer_helps", "04_domain_adaptation"
_FEW_SHOT, _BEYOND = "05_few_shot", "06_beyond_classification"
_PEFT, _CAPSTONE = "07_parameter_efficient", "08_capstone"

EXERCISES: dict[str, Exercise] = {
    row.id: row
    for row in (
        Exercise(
            "n_correct", _START, 1, 2, 1,
            "(logits (N, K), labels (N,)) -> int",
            "course_lib.evidence.evaluate:n_correct",
        ),
        Exercise(
            "evaluate", _START, 3, 10, 2,
            "(model, images, labels, batch_size=256) -> float in [0, 1]",
            "course_lib.evidence.evaluate:evaluate",
        ),
        Exercise(
            "k_shot_split", _START, 3, 10, 2,
            "(labels (N,), n_shot, seed) -> (support, rest)",
            "course_lib.evidence.splits:k_shot_split",
        ),
        Exercise(
            "paired_effect", _START, 3, 10, 2,
            "(a (S,), b (S,)) -> (mean, low, high)",
            "course_lib.evidence.intervals:paired_effect",
        ),
        Exercise(
            "preprocess", _FEATURES, 2, 5, 1,
            "(images uint8 (N, C, H, W), mean (C,), std (C,)) -> float32 (N, C, H, W)",
            "course_lib.transfer.features:preprocess",
        ),
        Exercise(
            "extract_features", _FEATURES, 3, 10, 2,
            "(model, images, batch_size=256) -> (N, D)",
            "course_lib.transfer.features:extract_features",
        ),
        Exercise(
            "linear_probe", _FEATURES, 4, 15, 2,
            "(train_x, train_y, val_x, val_y, test_x, test_y, strengths)"
            " -> dict(strength, weight, bias, test_accuracy)",
            "course_lib.transfer.probe:linear_probe",
        ),
        Exercise(
            "freeze", _FEATURES, 4, 20, 3,
            "(module) -> the same module, frozen",
            "course_lib.transfer.freeze:freeze",
        ),
        Exercise(
            "why_frozen_features", _FEATURES, 2, 8, 2,
            "a written answer of at most 80 words",
            None,
        ),
        Exercise(
            "param_groups", _FINE_TUNING, 3, 12, 2,
            "(model, head_lr, layer_decay, weight_decay) -> list of dicts for an optimiser",
            "course_lib.transfer.rates:param_groups",
        ),
        Exercise(
            "best_checkpoint", _FINE_TUNING, 3, 12, 2,
            "(model, train_one_epoch, val_score, epochs) -> (best_epoch, best_score, state_dict)",
            "course_lib.transfer.checkpoint:best_checkpoint",
        ),
        Exercise(
            "unfreeze", _FINE_TUNING, 4, 20, 3,
            "(model, optimizer, stage) -> optimizer",
            "course_lib.transfer.unfreeze:unfreeze",
        ),
        Exercise(
            "lp_ft", _FINE_TUNING, 4, 18, 3,
            "(model, images, labels, probe_steps, ft_steps, ft_lr) -> model",
            "course_lib.transfer.lp_ft:lp_ft",
        ),
        Exercise(
            "learning_curve", _WHEN, 3, 15, 2,
            "(fit, images, labels, test_images, test_labels, sizes, seed) -> (len(sizes),)",
            "course_lib.evidence.curves:learning_curve",
        ),
        Exercise(
            "transfer_gain", _WHEN, 2, 8, 1,
            "(transfer (S,), scratch (S,)) -> dict(gain, low, high, verdict)",
            "course_lib.evidence.intervals:transfer_gain",
        ),
        Exercise(
            "time_to_target", _WHEN, 2, 8, 1,
            "(history, target) -> step, or inf",
            "course_lib.evidence.speed:time_to_target",
        ),
        Exercise(
            "copy_first_k", _WHEN, 3, 12, 2,
            "(source, target, k) -> list of names",
            "course_lib.transfer.layerwise:copy_first_k",
        ),
        Exercise(
            "when_not_to_transfer", _WHEN, 2, 8, 2,
            "a written answer of at most 80 words",
            None,
        ),
        Exercise(
            "coral_loss", _DOMAINS, 3, 12, 2,
            "(source (n, d), target (m, d)) -> 0-d",
            "course_lib.alignment.coral:coral_loss",
        ),
        Exercise(
            "mmd_loss", _DOMAINS, 4, 18, 3,
            "(source (n, d), target (m, d), bandwidths, unbiased=True) -> 0-d",
            "course_lib.alignment.mmd:mmd_loss",
        ),
        Exercise(
            "grad_reverse", _DOMAINS, 3, 12, 2,
            "(x, lam) -> x, its gradient times -lam",
            "course_lib.alignment.adversarial:grad_reverse",
        ),
        Exercise(
            "adapt_batchnorm", _DOMAINS, 3, 15, 2,
            "(model, target_images, batch_size) -> model",
            "course_lib.alignment.adabn:adapt_batchnorm",
        ),
        Exercise(
            "select_model", _DOMAINS, 0, 15, 3,
            "(runs) -> index",
            "course_lib.alignment.selection:select_model",
        ),
        Exercise(
            "which_shift", _DOMAINS, 2, 8, 2,
            "a written answer of at most 80 words",
            None,
        ),
        Exercise(
            "sample_episode", _FEW_SHOT, 3, 15, 2,
            "(labels, n_way, n_shot, n_query, rng) -> (s_idx, s_y, q_idx, q_y)",
            "course_lib.fewshot.episodes:sample_episode",
        ),
        Exercise(
            "prototype_logits", _FEW_SHOT, 3, 12, 2,
            "(support (S, D), support_labels (S,), query (Q, D)) -> (Q, W)",
            "course_lib.fewshot.prototypes:prototype_logits",
        ),
        Exercise(
            "episode_interval", _FEW_SHOT, 2, 8, 1,
            "(accuracies (E,)) -> (mean, low, high)",
            "course_lib.evidence.intervals:episode_interval",
        ),
        Exercise(
            "cosine_logits", _FEW_SHOT, 2, 8, 1,
            "(features (N, D), weight (K, D), scale) -> (N, K)",
            "course_lib.fewshot.cosine:cosine_logits",
        ),
        Exercise(
            "contrastive_loss", _FEW_SHOT, 0, 12, 2,
            "(a (N, D), b (N, D), same (N,), margin) -> 0-d",
            "course_lib.fewshot.contrastive:contrastive_loss",
        ),
        Exercise(
            "mean_iou", _BEYOND, 3, 12, 2,
            "(pred (N, H, W), target (N, H, W), n_classes) -> float",
            "course_lib.dense.scores:mean_iou",
        ),
        Exercise(
            "transfer_encoder", _BEYOND, 3, 10, 2,
            "(encoder, segmenter) -> list of names",
            "course_lib.dense.encoder:transfer_encoder",
        ),
        Exercise(
            "match_boxes", _BEYOND, 4, 18, 3,
            "(boxes (P, 4), scores (P,), truth (G, 4), threshold=0.5) -> bool (P,)",
            "course_lib.dense.scores:match_boxes",
        ),
        Exercise(
            "average_precision", _BEYOND, 3, 15, 2,
            "(is_tp (P,), scores (P,), n_truth) -> float",
            "course_lib.dense.scores:average_precision",
        ),
        Exercise(
            "LoRALinear", _PEFT, 4, 18, 2,
            "LoRALinear(linear, rank, alpha): forward (…, in) -> (…, out)",
            "course_lib.peft.lora:LoRALinear",
        ),
        Exercise(
            "merge", _PEFT, 3, 10, 2,
            "(module) -> nn.Linear",
            "course_lib.peft.lora:merge",
        ),
        Exercise(
            "apply_lora", _PEFT, 4, 18, 3,
            "(model, rank, alpha, names) -> (model, n_trainable)",
            "course_lib.peft.lora:apply_lora",
        ),
        Exercise(
            "write_prediction", _CAPSTONE, 2, 10, 1,
            "(situation, method, gain, low, high) -> dict",
            "course_lib.evidence.study:write_prediction",
        ),
        Exercise(
            "run_study", _CAPSTONE, 5, 25, 3,
            "(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds) -> dict",
            "course_lib.evidence.study:run_study",
        ),
        Exercise(
            "report", _CAPSTONE, 2, 20, 2,
            "a written report of at most 200 words",
            None,
        ),
    )
}  # fmt: skip
