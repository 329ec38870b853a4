"""Mutants that no input tells from the reference, with the proof of it."""

SAME: dict[str, dict[str, str]] = {
    "adapt_batchnorm": {
        "with torch.no_grad():  →  if True:": "Nobody calls backward, and running statistics are "
        "updated without gradients anyway: only time and memory differ.",
    },
    "select_model": {
        "return (close, varied, -torch.special.entr(p).sum())  →  "
        "return (close, varied, -torch.special.entr(p).mean())": "The contract gives p the same "
        "shape (M, K) in every run: the sum is M K times the mean, and the order stays.",
    },
    "prototype_logits": {
        "n_way = int(support_labels.max()) + 1  →  n_way = support_labels.max() + 1": "`range` "
        "takes an integer tensor without dimensions for its number.",
    },
    "episode_interval": {
        "mean = float(accuracies.mean())  →  mean = accuracies.mean()": "The contract asks for "
        "numbers; a tensor without dimensions is one.",
        "half = 1.96 * float(accuracies.std()) / len(accuracies) ** 0.5  →  "
        "half = 1.96 * accuracies.std() / len(accuracies) ** 0.5": "The contract asks for "
        "numbers; a tensor without dimensions is one.",
    },
    "cosine_logits": {
        "return scale * F.normalize(features, dim=1) @ F.normalize(weight, dim=1).T  →  "
        "return scale * F.normalize(features) @ F.normalize(weight, dim=1).T": "1 is the default "
        "of dim.",
        "return scale * F.normalize(features, dim=1) @ F.normalize(weight, dim=1).T  →  "
        "return scale * F.normalize(features, dim=1) @ F.normalize(weight).T": "1 is the default "
        "of dim.",
    },
}
