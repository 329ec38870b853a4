"""Mutants that no input tells from the reference, with the proof of it; and the survivors."""

_SPREAD = "The contract asks for a random factor and leaves its distribution free."

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
    "n_correct": {
        (
            "return int((logits.argmax(dim=1) == labels).sum())  →  return "
            "(logits.argmax(dim=1) == labels).sum()"
        ): (
            "The contract takes a tensor without dimensions for a number, and counting is "
            "exact in it."
        ),
    },
    "evaluate": {
        (
            "right += int((model(x).argmax(dim=1) == y).sum())  →  right += "
            "(model(x).argmax(dim=1) == y).sum()"
        ): (
            "The contract takes a tensor without dimensions for a number: a whole count, "
            "divided once at the end."
        ),
    },
    "paired_effect": {
        (
            "a, b = (np.asarray(a, dtype=float), np.asarray(b, dtype=float))  →  a, b = "
            "(np.asarray(a), np.asarray(b, dtype=float))"
        ): (
            "The other side is float64, and NumPy turns floats and integers into that, "
            "exactly, before it subtracts."
        ),
        (
            "a, b = (np.asarray(a, dtype=float), np.asarray(b, dtype=float))  →  a, b = "
            "(np.asarray(a, dtype=float), np.asarray(b))"
        ): (
            "The other side is float64, and NumPy turns floats and integers into that, "
            "exactly, before it subtracts."
        ),
    },
    "preprocess": {
        ("scaled = images.float() / 255  →  scaled = images / 255"): (
            "torch divides integers as its default dtype, float32 as in the contract's images, "
            "and nothing in the course changes that: the same numbers, bit by bit."
        ),
    },
    "linear_probe": {
        ("best_accuracy = -1  →  best_accuracy = -2"): (
            "Both lie below every accuracy, so the first candidate replaces either."
        ),
        ("best_accuracy = -1  →  best_accuracy = -0"): (
            "An accuracy is at least 0, and the comparison is >=: the first candidate replaces it."
        ),
        (
            "probe = LogisticRegression(C=1 / strength, max_iter=5000).fit(train_x, train_y)  "
            "→  probe = LogisticRegression(C=1 / strength).fit(train_x, train_y)"
        ): (
            "The contract: features of about unit scale, and class probabilities within 0.05 of "
            "scikit-learn's; this is scikit-learn as it comes."
        ),
        (
            "probe = LogisticRegression(C=1 / strength, max_iter=5000).fit(train_x, train_y)  "
            "→  probe = LogisticRegression(C=1 / strength, max_iter=5001).fit(train_x, "
            "train_y)"
        ): (
            "A solver that has converged stops before; otherwise it is one step in 5000, far "
            "within the contract's 0.05 of scikit-learn's probabilities."
        ),
        (
            "probe = LogisticRegression(C=1 / strength, max_iter=5000).fit(train_x, train_y)  "
            "→  probe = LogisticRegression(C=1 / strength, max_iter=4999).fit(train_x, "
            "train_y)"
        ): (
            "A solver that has converged stops before; otherwise it is one step in 5000, far "
            "within the contract's 0.05 of scikit-learn's probabilities."
        ),
    },
    "freeze": {
        (
            "part.train = lambda mode=True, part=part: part  →  part.train = lambda "
            "mode=False, part=part: part"
        ): ("Nothing reads the mode."),
    },
    "unfreeze": {
        (
            "new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]  "
            "→  new = [p for p in model.parameters() if id(p) not in held]"
        ): (
            "The contract: groups may still hold frozen parameters. Each is held once, "
            "without a gradient no optimiser moves it, and at a later stage it is there "
            "already."
        ),
    },
    "lp_ft": {
        (
            "model.head = nn.Linear(features.shape[1], int(labels.max()) + "
            "1).train(model.training)  →  model.head = nn.Linear(features.shape[1], "
            "labels.max() + 1).train(model.training)"
        ): ("torch takes an integer tensor without dimensions for a size."),
        ("model.train()  →  (dropped)"): (
            "Of the modes in phase two the contract says one thing, batch-norm in eval; the "
            "other layers of its models (convolution, ReLU, linear) compute the same in both."
        ),
        ("model.train()  →  model"): (
            "Of the modes in phase two the contract says one thing, batch-norm in eval; the "
            "other layers of its models (convolution, ReLU, linear) compute the same in both."
        ),
        ("model.train()  →  model.eval()"): (
            "Of the modes in phase two the contract says one thing, batch-norm in eval; the "
            "other layers of its models (convolution, ReLU, linear) compute the same in both."
        ),
        ("if isinstance(part, nn.BatchNorm2d):  →  if True:"): (
            "Of the modes in phase two the contract says one thing, batch-norm in eval; the "
            "other layers of its models (convolution, ReLU, linear) compute the same in both."
        ),
    },
    "mean_iou": {
        "ious.append(float(intersection / union))  →  ious.append(intersection / union)": "The "
        "contract takes a tensor without dimensions for a number.",
    },
    "average_precision": {
        "if n_truth == 0:  →  (dropped)": "Without objects no prediction is a hit, and a tensor's "
        "0 / 0 is NaN, also if it is empty.",
        "if n_truth == 0:  →  if n_truth == -1:": "There is no negative number of objects, and 0 "
        "objects give 0 / 0 = NaN without the condition.",
        "hits = is_tp[scores.argsort(descending=True)].double()  →  "
        "hits = is_tp[scores.argsort(descending=True)]": "Whole numbers over whole numbers give "
        "float32: the same number but for its last digits, and the contract fixes no precision.",
        "precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)  →  "
        "precision = hits.cumsum(dim=-1) / torch.arange(1, len(hits) + 1)": "Hits have one axis: "
        "the first is the last.",
        "envelope = precision.flip(0).cummax(dim=0).values.flip(0)  →  "
        "envelope = precision.flip(0).cummax(dim=0).values.flip(-1)": "Precision has one axis: "
        "the first is the last.",
        "envelope = precision.flip(0).cummax(dim=0).values.flip(0)  →  "
        "envelope = precision.flip(0).cummax(dim=-1).values.flip(0)": "Precision has one axis: "
        "the first is the last.",
        "envelope = precision.flip(0).cummax(dim=0).values.flip(0)  →  "
        "envelope = precision.flip(-1).cummax(dim=0).values.flip(0)": "Precision has one axis: "
        "the first is the last.",
        "return float((envelope * hits).sum() / n_truth)  →  "
        "return (envelope * hits).sum() / n_truth": "The contract takes a tensor without "
        "dimensions for a number.",
    },
    "LoRALinear": {
        "spread = linear.in_features ** (-0.5)  →  spread = linear.in_features ** 0.5": _SPREAD,
        "spread = linear.in_features ** (-0.5)  →  spread = linear.in_features ** (-1.0)": _SPREAD,
        "spread = linear.in_features ** (-0.5)  →  spread = linear.in_features ** (-0.25)": _SPREAD,
        "self.A = nn.Parameter(spread * torch.randn(rank, linear.in_features, **like))  →  "
        "self.A = nn.Parameter(spread / torch.randn(rank, linear.in_features, **like))": _SPREAD,
    },
}

# They count as survived: that they get as far is measured, not proved.
_RATE = (
    "The contract leaves the way to the fitted head free, and at this rate the head is as good on "
    "features of unit scale. Where they are so correlated that half the rate does not arrive in "
    "500 steps, the reference may fall short as well."
)

SURVIVED: dict[str, dict[str, str]] = {
    "lp_ft": {
        "optimizer = torch.optim.Adam(model.head.parameters(), lr=0.02)  →  "
        f"optimizer = torch.optim.Adam(model.head.parameters(), lr={rate})": _RATE
        for rate in ("0.01", "0.04")
    },
}
