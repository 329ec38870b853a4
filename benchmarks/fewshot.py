"""Episodes per second on cached features, beside easyfsl's; and end to end, backbone included.

    pip install easyfsl        # in an environment of its own; without it, only our own numbers
    python benchmarks/fewshot.py

All in one run on one thread, in turns, so that the ratio holds where the seconds do not. easyfsl
1.5.0 calls ``Sampler.__init__(data_source=None)``, which newer PyTorch refuses: mended below.
"""

import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from course_lib.data import glyphs
from course_lib.fewshot.episodes import episode_accuracies
from course_lib.fewshot.prototypes import prototype_logits
from course_lib.models.convnet import Classifier
from course_lib.models.weights import load_backbone
from course_lib.transfer.features import extract_features

N_EPISODES, ROUNDS = 400, 9


def main() -> None:
    """Print one line a setting, as Markdown tables (medians of nine rounds)."""
    torch.set_num_threads(1)
    data = glyphs.load("held_out")
    large = [k for k in data.labels.unique() if (data.labels == k).sum() >= 6]
    keep = torch.isin(data.labels, torch.stack(large))
    images, labels = data.images[keep], data.labels[keep].unique(return_inverse=True)[1]
    model = Classifier(load_backbone(), 1)
    start = time.perf_counter()
    features = extract_features(model, images)
    extraction = time.perf_counter() - start
    peer = easyfsl_episodes()

    versions = f"PyTorch {torch.__version__}" + (f", easyfsl {version('easyfsl')}" if peer else "")
    print(f"{len(labels)} images of {len(large)} classes; features in {extraction:.1f} s, once.")
    print(f"{versions}\n")
    print(
        "| way, shot, query | ours, episodes/s | easyfsl | ratio | end to end, ratio | accuracies |"
    )
    print("|---|---|---|---|---|---|")
    for n_way, n_shot, n_query in ((5, 1, 5), (5, 5, 1), (20, 1, 1), (20, 1, 5)):

        def ours(way: int = n_way, shot: int = n_shot, query: int = n_query) -> Tensor:
            return episode_accuracies(
                features, labels, prototype_logits, n_way=way, n_shot=shot, n_query=query,
                n_episodes=N_EPISODES, rng=torch.Generator().manual_seed(0),
            )  # fmt: skip

        row = f"| {n_way}, {n_shot}, {n_query} "
        if peer is None:
            seconds, accuracy = measure([ours])[0]
            print(f"{row}| {N_EPISODES / seconds:,.0f} | not installed | | | {accuracy:.3f} |")
            continue

        def theirs(way: int = n_way, shot: int = n_shot, query: int = n_query) -> Tensor:
            return peer(torch.nn.Identity(), features, labels, way, shot, query, N_EPISODES)

        def embedding_in_the_loop(
            way: int = n_way, shot: int = n_shot, query: int = n_query
        ) -> Tensor:
            return peer(model.backbone, images, labels, way, shot, query, N_EPISODES // 8)

        (fast, accuracy), (slow, other) = measure([ours, theirs])
        ((loop, _),) = measure([embedding_in_the_loop], rounds=1)
        end_to_end = 8 * loop / (extraction + fast)
        print(
            f"{row}| {N_EPISODES / fast:,.0f} | {N_EPISODES / slow:,.0f} | {slow / fast:.0f} | "
            f"{end_to_end:.1f} | {accuracy:.3f}, {other:.3f} |",
            flush=True,
        )

    print("\n| ways (1 shot, 1 query) | ours, episodes/s |\n|---|---|")
    for n_way in (2, 5, 10, 20, 40):
        ((seconds, _),) = measure([partial(ours, way=n_way, shot=1, query=1)])
        print(f"| {n_way} | {N_EPISODES / seconds:,.0f} |", flush=True)


def measure(
    functions: list[Callable[[], Tensor]], rounds: int = ROUNDS
) -> list[tuple[float, float]]:
    """Return (median seconds, mean accuracy) of functions that take turns, after a first call.

    In random order, so that none always finds the caches as another left them.
    """
    taken: list[list[float]] = [[] for _ in functions]
    means = [function().mean().item() for function in functions]
    for _ in range(rounds):
        for i in random.sample(range(len(functions)), len(functions)):
            start = time.perf_counter()
            functions[i]()
            taken[i].append(time.perf_counter() - start)
    return [(statistics.median(t), mean) for t, mean in zip(taken, means, strict=True)]


def easyfsl_episodes() -> Callable | None:
    """Return easyfsl's own pipeline (features dataset, task sampler, loader, ProtoNet), if here."""
    try:
        from easyfsl.datasets import FeaturesDataset
        from easyfsl.methods import PrototypicalNetworks
        from easyfsl.samplers import TaskSampler
    except ImportError:
        return None
    plain = Sampler.__init__
    Sampler.__init__ = lambda self, data_source=None: plain(self)

    @torch.no_grad()
    def episodes(
        backbone: torch.nn.Module,
        inputs: Tensor,
        labels: Tensor,
        way: int,
        shot: int,
        query: int,
        n: int,
    ) -> Tensor:
        names = [str(k) for k in range(int(labels.max()) + 1)]
        dataset = FeaturesDataset(labels.tolist(), inputs, names)
        sampler = TaskSampler(dataset, way, shot, query, n)
        loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)
        method, accuracies = PrototypicalNetworks(backbone).eval(), []
        for support, support_y, queries, query_y, _ in loader:
            method.process_support_set(support, support_y)
            accuracies.append((method(queries).argmax(1) == query_y).float().mean())
        return torch.stack(accuracies)

    return episodes


if __name__ == "__main__":
    main()
