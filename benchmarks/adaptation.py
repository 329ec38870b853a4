"""What an alignment term costs, alone and in a training step, beside pytorch-adapt's and tllib's.

    pip install pytorch-adapt tllib     # in an environment of their own; what is absent is left out
    python benchmarks/adaptation.py

All in one run on one thread, in turns of random order: read the ratios. The peers compute what
they compute: tllib's CORAL adds the gap of the means, its MK-MMD is another estimate.
"""

import random
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.alignment.adabn import adapt_batchnorm
from course_lib.alignment.adversarial import grad_reverse
from course_lib.alignment.coral import coral_loss
from course_lib.alignment.mcc import mcc_loss
from course_lib.alignment.mmd import median_bandwidths, mmd_loss
from course_lib.data import digits
from course_lib.models.convnet import Classifier
from course_lib.models.weights import load_backbone

ROUNDS = 30
Term = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    """Print Markdown tables: milliseconds of each term, forward and backward; AdaBN's."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    print("| term | rows, features | ours, ms | " + " | ".join(PEERS) + " |")
    print("|---|---|---|" + "---|" * len(PEERS))
    for name, terms in TERMS.items():
        for n, d in ((64, 128), (256, 128), (64, 2048)):
            x, y = (torch.randn(n, d, generator=generator) + k for k in (0, 0.3))
            print(row(name, f"{n}, {d}", [alone(term, x, y) for term in terms()]), flush=True)
    pool = digits.load("pool")
    x, u = pool.images[:64], 1 - pool.images[64:128]
    for name, terms in TERMS.items():
        steps = [step(term, x, pool.labels[:64], u) for term in terms()]
        print(row(f"a whole step, {name}", "64 + 64 images", steps), flush=True)
    print("\n| target images | AdaBN, ms | for each image, ms |\n|---|---|---|")
    model = Classifier(load_backbone(), 10)
    for n in (64, 256, 1_000):
        start = time.perf_counter()
        adapt_batchnorm(model, pool.images[:n], device="cpu")
        taken = 1000 * (time.perf_counter() - start)
        print(f"| {n:,} | {taken:.0f} | {taken / n:.2f} |")
    print()
    for package in PEERS:
        try:
            print(f"{package} {version(package)}, ", end="")
        except PackageNotFoundError:
            print(f"{package}: not installed or from its sources, ", end="")
    print(f"PyTorch {torch.__version__}")


def row(name: str, size: str, runs: list[Callable[[], object] | None]) -> str:
    """Measure what is there, in turns, and return a line of the table.

    In random order, so that nobody always follows the one that empties the caches.
    """
    taken: list[list[float]] = [[] for _ in runs]
    for turn in range(ROUNDS + 1):
        for i in random.sample(range(len(runs)), len(runs)):
            if runs[i] is not None:
                start = time.perf_counter()
                runs[i]()
                taken[i] += [time.perf_counter() - start] * (turn > 0)
    ours, *others = (statistics.median(times) if times else None for times in taken)
    cells = [f"{1000 * t:.2f} ({t / ours:.1f} times)" if t else "absent" for t in others]
    return f"| {name} | {size} | {1000 * ours:.2f} | " + " | ".join(cells) + " |"


def alone(term: Term | None, x: Tensor, y: Tensor) -> Callable[[], object] | None:
    """Return a run of a term and its gradient, on features."""
    if term is None:
        return None
    x, y = (v.clone().requires_grad_() for v in (x, y))
    return lambda: torch.autograd.grad(term(x, y), (x, y), allow_unused=True)


def step(term: Term | None, x: Tensor, labels: Tensor, u: Tensor) -> Callable[[], object] | None:
    """Return a run of a whole training step of the course's backbone with a term."""
    if term is None:
        return None
    model = Classifier(load_backbone(), 10).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters())

    def run() -> None:
        source, target = model.backbone(x), model.backbone(u)
        loss = F.cross_entropy(model.head(source), labels) + term(source, target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


# --- The same four terms, three times ------------------------------------------------------------

PEERS = ("pytorch-adapt", "tllib")


def coral() -> list[Term | None]:
    def adapt() -> Term:
        from pytorch_adapt.layers import CORALLoss

        return CORALLoss()

    def tllib() -> Term:
        from tllib.alignment.coral import CorrelationAlignmentLoss

        return CorrelationAlignmentLoss()

    return [coral_loss, found(adapt), found(tllib)]


def mmd() -> list[Term | None]:
    def adapt() -> Term:
        from pytorch_adapt.layers import MMDLoss
        from pytorch_adapt.layers.utils import get_kernel_scales

        return MMDLoss(kernel_scales=get_kernel_scales(-1, 1, 5, base=2.0), mmd_type="quadratic")

    def tllib() -> Term:
        from tllib.alignment.dan import MultipleKernelMaximumMeanDiscrepancy
        from tllib.modules.kernels import GaussianKernel

        kernels = [GaussianKernel(alpha=2.0**k) for k in range(-2, 3)]
        return MultipleKernelMaximumMeanDiscrepancy(kernels)

    return [lambda x, y: mmd_loss(x, y, median_bandwidths(x, y)), found(adapt), found(tllib)]


def mcc() -> list[Term | None]:
    def adapt() -> Term:
        from pytorch_adapt.layers import MCCLoss

        loss = MCCLoss(T=2.5)
        return lambda x, y: loss(y[:, :10])

    def tllib() -> Term:
        from tllib.self_training.mcc import MinimumClassConfusionLoss

        loss = MinimumClassConfusionLoss(2.5)
        return lambda x, y: loss(y[:, :10])

    return [lambda x, y: mcc_loss(y[:, :10]), found(adapt), found(tllib)]


def reversal() -> list[Term | None]:
    def adapt() -> Term:
        from pytorch_adapt.layers import GradientReversal

        layer = GradientReversal()
        return lambda x, y: layer(y).mean()

    def tllib() -> Term:
        from tllib.modules.grl import GradientReverseFunction

        return lambda x, y: GradientReverseFunction.apply(y, 1.0).mean()

    return [lambda x, y: grad_reverse(y, 1.0).mean(), found(adapt), found(tllib)]


def found(make: Callable[[], Term]) -> Term | None:
    """Return a peer's term, or None where it is not installed."""
    try:
        return make()
    except ImportError:
        return None


TERMS = {"CORAL": coral, "MMD, 5 kernels": mmd, "MCC": mcc, "gradient reversal": reversal}

if __name__ == "__main__":
    main()
