"""Training a head on a frozen backbone: the tutorials' loop against features cached once.

    python benchmarks/head_training.py

The tutorials' loop sends every image through the whole network in every epoch, for training and
for validation; ours does it once and trains the head on what came out. Both in one run on one
thread. With ImageNet weights and photographs at hand (``course data fetch``) both are real, and
so are the accuracies; else the weights are random and the images enlarged digits, and only the
ratio of times means anything.
"""

import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data import digits, photos
from course_lib.errors import CourseError
from course_lib.evidence.evaluate import evaluate
from course_lib.models.convnet import Classifier
from course_lib.models.weights import ImageNetBackbone, imagenet
from course_lib.transfer.features import extract_features
from course_lib.transfer.train import fit

SIZE, BATCH = 129, 16


def main() -> None:
    """Print one line for each number of epochs, as a Markdown table."""
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} thread")
    model, train, val = material()
    epochs = 10
    loop_seconds, loop_accuracy = tutorial_loop(model, train, val, epochs)
    print("| epochs | tutorials' loop, s | cached features, s | ratio | accuracies |")
    print("|---|---|---|---|---|")
    for n in (1, 3, epochs):
        seconds, accuracy = cached(model, train, val, n)
        loop = loop_seconds[n - 1]
        print(
            f"| {n} | {loop:.1f} | {seconds:.1f} | {loop / seconds:.1f} | "
            f"{loop_accuracy[n - 1]:.3f}, {accuracy:.3f} |"
        )


def material() -> tuple[Classifier, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return a network, and images with labels to train and to validate on."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ))  # fmt: skip
    try:
        model = imagenet()
        train, val = photos.load("train", SIZE), photos.load("val", SIZE)
        print(f"MobileNetV2 on {len(train.labels)} photographs, {SIZE} pixels.\n")
        images = [(part.images - mean) / std for part in (train, val)]
        return model, (images[0], train.labels), (images[1], val.labels)
    except CourseError as missing:
        print(f"{missing}\nSo: random weights, enlarged digits.\n")
    from torchvision.models import mobilenet_v2

    model = Classifier(ImageNetBackbone(mobilenet_v2().features), 10).eval()
    pool = digits.load("pool")
    enlarged = F.interpolate(pool.images[:320], size=SIZE, mode="bilinear").expand(-1, 3, -1, -1)
    return model, (enlarged[:240], pool.labels[:240]), (enlarged[240:], pool.labels[240:320])


def tutorial_loop(
    model: Classifier, train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], epochs: int
) -> tuple[list[float], list[float]]:
    """Return CPU seconds until the end of each epoch, and its validation accuracy."""
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    head = nn.Linear(model.backbone.feature_dim, int(train[1].max()) + 1)
    whole = nn.Sequential(model.backbone, head)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    state = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    start, seconds, accuracies = time.process_time(), [], []
    for _ in range(epochs):
        whole.train()
        model.backbone.eval()  # which the tutorials forget: the two would not agree
        for batch in torch.randperm(len(train[1])).split(BATCH):
            loss = F.cross_entropy(whole(train[0][batch]), train[1][batch])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        accuracies.append(evaluate(whole, *val, batch_size=BATCH))
        seconds.append(time.process_time() - start)
    model.backbone.load_state_dict(state)  # its batch-norm statistics have moved
    model.eval()
    return seconds, accuracies


def cached(
    model: Classifier, train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], epochs: int
) -> tuple[float, float]:
    """Return CPU seconds and validation accuracy."""
    start = time.process_time()
    x, val_x = (extract_features(model, part[0], batch_size=BATCH) for part in (train, val))
    head = nn.Linear(model.backbone.feature_dim, int(train[1].max()) + 1)
    steps = epochs * (len(x) // BATCH)
    fit(head, x, train[1], steps=steps, batch_size=BATCH, lr=1e-2, device="cpu", progress=False)
    accuracy = evaluate(head, val_x, val[1])
    return time.process_time() - start, accuracy


if __name__ == "__main__":
    main()
