"""The course's backbone on this machine: memory layout, memory, and how the cost grows.

    python benchmarks/convnet.py

Layouts are compared side by side in one run, on one thread, as a ratio. Memory is the high-water
mark of a fresh process (Linux only, nan elsewhere), so each case gets one of its own.
"""

import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.models.convnet import Classifier, random_backbone

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
ROUNDS = 15
MEMORY = """
import sys
sys.path.insert(0, {folder!r})
import torch
from convnet import network, peak, step
torch.set_num_threads(1)
before = peak()
model, images = network("channels_last"), torch.rand({images}, 1, 32, 32)
for _ in range(3):
    step(model, images)
print(peak() - before)
"""


def main() -> None:
    """Print four Markdown tables."""
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}\n")
    print("| batch of 128 | contiguous, ms | channels_last, ms | ratio |\n|---|---|---|---|")
    for name, work in {"forward pass": forward, "training step": step}.items():
        times = side_by_side(work, torch.rand(128, 1, 32, 32))
        ratio = median(a / b for a, b in zip(*times.values(), strict=True))
        row = " | ".join(f"{median(t):.0f}" for t in times.values())
        print(f"| {name} | {row} | {ratio:.2f} |", flush=True)

    print("\n| images | forward pass, ms | for each image, ms |\n|---|---|---|")
    for n in (1, 8, 64, 512, 4096):
        times = side_by_side(forward, torch.rand(n, 1, 32, 32), ["channels_last"], rounds=5)
        taken = median(times["channels_last"])
        print(f"| {n:,} | {taken:.1f} | {taken / n:.3f} |", flush=True)

    print("\n| side of 64 images, pixels | forward pass, ms |\n|---|---|")
    for side in (16, 32, 64, 128):
        times = side_by_side(forward, torch.rand(64, 1, side, side), ["channels_last"], rounds=5)
        print(f"| {side} | {median(times['channels_last']):.1f} |", flush=True)

    print("\n| batch of a training step | memory above that of the imports, MiB |\n|---|---|")
    for n in (32, 128, 512):
        print(f"| {n} | {high_water_mark(n):.0f} |", flush=True)


def network(layout: str) -> nn.Module:
    """Return an untrained classifier in a memory layout."""
    return Classifier(random_backbone(0), 10).to(memory_format=LAYOUTS[layout])


def forward(model: nn.Module, images: Tensor) -> None:
    """Compute logits as in evaluation."""
    with torch.no_grad():
        model.eval()(images)


def step(model: nn.Module, images: Tensor) -> None:
    """Do what a training step costs: forward, backward, and a change of every weight."""
    model.train()
    F.cross_entropy(model(images), torch.arange(len(images)) % 10).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-3 * parameter.grad
            parameter.grad = None


def side_by_side(
    work: Callable, images: Tensor, layouts: list[str] | None = None, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Return CPU milliseconds of each round by layout; the layouts take turns."""
    models = {layout: network(layout) for layout in layouts or LAYOUTS}
    taken = {layout: [] for layout in models}
    for _ in range(rounds + 2):
        for layout, model in models.items():
            start = time.process_time()
            work(model, images)
            taken[layout].append(1000 * (time.process_time() - start))
    return {layout: times[2:] for layout, times in taken.items()}  # the first two warm up


def high_water_mark(n_images: int) -> float:
    """Return by how many MiB training on batches of this size raises a process's peak memory."""
    code = MEMORY.format(images=n_images, folder=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak() -> float:
    """Return this process's peak memory in MiB; not a number where there is no /proc to ask."""
    status = Path("/proc/self/status")
    if not status.exists():
        return math.nan
    line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 2**10


if __name__ == "__main__":
    main()
