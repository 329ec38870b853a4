# %% [markdown]
# # 05 · One-shot and few-shot learning
#
# A museum has drawings in an unknown script. Somebody has written down **one example of each
# sign**. Thousands of drawings wait to be read. **Is one example enough?**
#
# No network can be *trained* on one image per class. But perhaps none need be: a network that has
# learned to compare characters may compare these, too. In module 00 you saw that happen in ten
# seconds. Here you build it, and find out how far it carries.
#
# In about 100 minutes you will
#
# - draw fair few-shot tasks (`sample_episode`);
# - classify by prototypes (`prototype_logits`) and by directions (`cosine_logits`);
# - say how sure you may be after some hundreds of such tasks (`episode_interval`);
# - catch three bugs, one of which reads pure noise almost perfectly;
# - ask whether *training by episodes* is worth it;
# - **invent an alphabet**, photograph it, and let the computer read your own hand.
#
# | part | minutes |
# |---|---|
# | 1 · Episodes, and `sample_episode` | 20 |
# | 2 · `prototype_logits`, and what the features are worth | 20 |
# | 3 · `episode_interval` | 12 |
# | 4 · Three classic bugs | 12 |
# | 5 · `cosine_logits`, matching, Baseline++ | 14 |
# | 6 · Should the embedding be trained by episodes? | 8 |
# | optional: `contrastive_loss`, the Siamese network | 15 |
# | 7 · Invent your alphabet · 8 · The Omniglot challenge | 20 |

# %%
try:
    import course_lib
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "The course's library is not installed here. On your own computer, start with the first "
        "command of the README. On Colab, run `%pip install git+ADDRESS`, where ADDRESS is the "
        "page of the course's repository, and then this cell again."
    ) from None

import copy
import sys
from functools import partial
from time import perf_counter

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import nn
from tqdm import tqdm

from course_lib import check, hint, plots, use
from course_lib.data import digits, glyphs, omniglot, photos, signs, snapshots
from course_lib.errors import CourseError
from course_lib.evidence import claims, ledger, results
from course_lib.evidence.evaluate import forward_in_batches
from course_lib.evidence.intervals import mean_interval, paired_effect
from course_lib.evidence.notes import Table
from course_lib.fewshot import prototypes, training
from course_lib.fewshot.cosine import baseline_plus_plus, nearest_centroid
from course_lib.fewshot.episodes import accuracies, sample_episodes
from course_lib.fewshot.matching import matching_logits
from course_lib.models.convnet import random_backbone
from course_lib.models.weights import imagenet, load_backbone
from course_lib.transfer.features import cached_features

threadpool_limits(1)  # PyTorch and scikit-learn: work this small gains nothing from more threads
progress = partial(tqdm, leave=False, delay=3, file=sys.stdout)  # a bar for what takes longer
shipped = results.numbers()
print(f"PyTorch {torch.__version__}, course {course_lib.__version__}: ready.")

# %% [markdown]
# ## 1 · Episodes
#
# Our unknown scripts are six that the backbone has never seen, in print: Georgian, Hebrew,
# Armenian, Tifinagh, N'Ko and Lao. Each letter comes in several fonts, and each picture is bent and
# blurred as a hand would. Our handwriting is the digits.
#
# A few-shot task is called an **episode**. Its words are worth knowing, for every paper uses them:
#
# - **n_way** classes are drawn; the classifier has never been told about them.
# - Of each class **n_shot** examples are given with their labels: the **support set**.
# - **n_query** others of each class must be recognised: the **query set**.
#
# "20-way 1-shot" is the museum's task for a script of twenty signs. Guessing gives 5 %.

# %%
rng = torch.Generator().manual_seed(5)  # another number: other distortions, other episodes

held_out, test = glyphs.load("held_out"), digits.load("test")
letters = glyphs.augment(held_out.images, rng)
backbone = load_backbone()
targets = {
    "unknown scripts": (letters, held_out.labels, 20),
    "handwritten digits": (test.images, test.labels, 10),
}
print(f"{len(letters)} pictures of {len(held_out.classes)} letters; {len(test.labels)} digits")

# %% [markdown]
# **Predict**, between 0 and 1: 20-way 1-shot on the unknown scripts, with the backbone's features,
# and with plain pixels. And the digits, 10-way 1-shot, with the backbone's features: easier because
# there are only ten, or harder because they are handwriting?

# %%
ledger.predict("unknown scripts, 20-way 1-shot, backbone", ..., "accuracy")
ledger.predict("unknown scripts, 20-way 1-shot, pixels", ..., "accuracy")
ledger.predict("handwritten digits, 10-way 1-shot, backbone", ..., "accuracy")

# %% [markdown]
# ### Exercise: `sample_episode`
#
# {{exercise sample_episode}}
#
# Draw an episode from labels alone. Three things to think of.
#
# - No example may be on both sides, or a query is recognised by being the same picture.
# - The labels *within* the episode are 0…n_way-1, whatever the classes were called before; and a
#   class has the same number on both sides.
# - A class needs n_shot + n_query examples. If fewer than n_way classes have them, refuse.
#
# All chance comes from `rng`, so that a state of `rng` says which episode it will be. (Stuck?
# `hint("sample_episode")` in a cell of your own.)


# %% nbgrader={"grade_id": "sample_episode", "solution": true}
def sample_episode(labels, n_way, n_shot, n_query, rng):
    """Return s_idx, s_y, q_idx, q_y: indices into labels (N,), and labels 0...n_way-1.

    n_way classes, drawn with equal chances among those with n_shot + n_query examples (too few
    classes: ValueError); of each n_shot support and n_query query examples, drawn with equal
    chances, no index twice. A class has one label, the same on both sides. Any order. All
    randomness from rng, a torch.Generator: equal states, equal episodes.
    """
    ### BEGIN SOLUTION
    classes, counts = labels.unique(return_counts=True)
    classes = classes[counts >= n_shot + n_query]
    if len(classes) < n_way:
        raise ValueError(f"Only {len(classes)} classes are large enough, fewer than {n_way}.")
    support, query = [], []
    for k in classes[torch.randperm(len(classes), generator=rng)[:n_way]]:
        members = (labels == k).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=rng)]
        support.append(members[:n_shot])
        query.append(members[n_shot : n_shot + n_query])
    y = torch.arange(n_way)
    return (
        torch.cat(support),
        y.repeat_interleave(n_shot),
        torch.cat(query),
        y.repeat_interleave(n_query),
    )
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-sample_episode"}
check("sample_episode")

# %% [markdown]
# Here is an episode of yours: 20-way 1-shot, one query per class. Cover the bottom row and try it
# yourself before you look.

# %%
episode = use("sample_episode")

s_idx, s_y, q_idx, q_y = (torch.as_tensor(part) for part in episode(held_out.labels, 20, 1, 1, rng))
s_idx, q_idx, q_y = s_idx[s_y.argsort()], q_idx[q_y.argsort()], q_y.sort().values
pixels = letters.flatten(1)
similar = F.normalize(pixels[q_idx], dim=1) @ F.normalize(pixels[s_idx], dim=1).T
read_as = similar.argmax(1)
plots.show(
    plots.episode(letters[s_idx], letters[q_idx], read_as, q_y),
    caption="One episode, answered by comparing pixels: the support example that points most "
    f"nearly the same way. {int((read_as == q_y).sum())} of 20 are right.",
    alt="Twenty letters of unknown scripts, twenty queries, and the letter each was taken for; "
    f"{int((read_as == q_y).sum())} are right.",
)

# %% [markdown]
# ## 2 · Prototypes
#
# **Prototypical networks** (Snell, Swersky and Zemel 2017) are the simplest few-shot classifier
# that works. Embed everything; take the mean of each class's support features, its **prototype**
# c_k; give each query q the logits
#
# > -‖q - c_k‖², minus the *squared* Euclidean distance
#
# and the softmax does the rest. Nothing is trained on the episode. With one shot the prototype *is*
# the example.
#
# ### Exercise: `prototype_logits`
#
# {{exercise prototype_logits}}
#
# The labels say which support row belongs to which class: rows may come in any order, and the
# classes may have different numbers of shots. Near must mean *high*. And the queries are judged one
# by one: they have no part in the prototypes.


# %% nbgrader={"grade_id": "prototype_logits", "solution": true}
def prototype_logits(support, support_labels, query):
    """Return (Q, W): minus the squared Euclidean distance of each query to each class mean.

    support (S, D), support_labels (S,) with values 0...W-1, each at least once, in any order;
    query (Q, D). Column k is class k. A number added to a whole row is fine. The gradient reaches
    the support.
    """
    ### BEGIN SOLUTION
    n_way = int(support_labels.max()) + 1
    prototypes = torch.stack([support[support_labels == k].mean(dim=0) for k in range(n_way)])
    return -(query[:, None] - prototypes).square().sum(dim=-1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-prototype_logits"}
check("prototype_logits")

# %% [markdown]
# What is a good feature space for this? One in which a class is a small cloud, and the clouds lie
# apart. Below is a single episode, 5-way 5-shot, in three spaces. Each panel is only a shadow: the
# two directions, out of many, in which this episode spreads most.

# %%
classify = use("prototype_logits")
untrained = random_backbone(0).eval()


def looks(images):
    """The three ways to look at images that this module compares: name -> features (N, D)."""
    return {
        "pixels": images.flatten(1),
        "untrained": forward_in_batches(untrained, images),
        "backbone": forward_in_batches(backbone, images),
    }


features = {target: looks(images) for target, (images, _, _) in targets.items()}
s_idx, s_y, q_idx, q_y = episode(held_out.labels, 5, 5, 5, torch.Generator().manual_seed(3))
plots.show(
    plots.episode_spaces(
        {name: (x[s_idx], x[q_idx]) for name, x in features["unknown scripts"].items()}, s_y, q_y
    ),
    caption="The same episode in three spaces. Stars: prototypes, the mean of five examples. Small "
    "marks: queries. Where the clouds mix, no star can tell them apart.",
    alt="Three scatter plots of five classes: mixed in pixels and in an untrained network's "
    "features, in separate groups in the backbone's.",
)

# %% [markdown]
# ### Hundreds of episodes at once
#
# One episode says little: its classes may be easy. We need hundreds. The slow way is a loop that
# draws an episode, runs the network on its images, and classifies. Two ideas make it fast.
#
# 1. The network is frozen, so every image's features are computed **once** (module 01). An episode
#    is then a few rows of a table.
# 2. The classifier is a few matrix products. Stack hundreds of episodes along a first axis, and one
#    tensor operation answers them all.
#
# The library's `sample_episodes` and `accuracies` do that: support (E, S, D), query (E, Q, D).

# %%
x, labels, n_way = features["unknown scripts"]["backbone"], held_out.labels, 20
drawn = sample_episodes(labels, n_way, 1, 1, 300, torch.Generator().manual_seed(1))

start = perf_counter()
one_by_one = []
for s, q in zip(drawn.support, drawn.query, strict=True):
    logits = classify(x[s], drawn.support_labels, x[q])
    one_by_one.append(float((logits.argmax(1) == drawn.query_labels).float().mean()))
loop = perf_counter() - start

together = accuracies(x, drawn, nearest_centroid)  # warm up
start = perf_counter()
together = accuracies(x, drawn, nearest_centroid)
batched = perf_counter() - start
print(f"your function in a loop: {1000 * loop:5.0f} ms, mean {np.mean(one_by_one):.3f}")
print(f"all in one operation:    {1000 * batched:5.0f} ms, mean {together.mean():.3f}")
print("(The second compares directions instead of distances: part 5.)")

# %% [markdown]
# Now the answer to your predictions: 300 episodes of each target, the same ones for the three ways
# to look. `mean_interval` is module 00's, with an episode for a seed; part 3 asks whether that is
# allowed.

# %%
measured = {}
for target, (_, labels, n_way) in targets.items():
    drawn = sample_episodes(labels, n_way, 1, 1, 300, rng)
    for name, x in features[target].items():
        measured[f"{target}, {name}"] = mean_interval(accuracies(x, drawn, nearest_centroid))
for name in ("backbone", "pixels"):
    ledger.measured(
        f"unknown scripts, 20-way 1-shot, {name}", *measured[f"unknown scripts, {name}"]
    )
ledger.measured(
    "handwritten digits, 10-way 1-shot, backbone", *measured["handwritten digits, backbone"]
)
plots.show(
    plots.intervals(measured, "one-shot accuracy, 300 episodes"),
    caption="One example per class. Guessing would give 0.05 for the scripts and 0.1 for the "
    "digits. An untrained network is worse than plain pixels.",
    alt="; ".join(f"{name}: {mean:.2f}" for name, (mean, _, _) in measured.items()),
)

# %% [markdown]
# The shipped measurement has ten seeds of hundreds of episodes each, with other distortions and
# other untrained networks. 20-way 1-shot on unknown scripts: backbone
# {{fewshot.scripts.1.backbone}}, pixels {{fewshot.scripts.1.pixels}}, untrained
# {{fewshot.scripts.1.random}}; the backbone is ahead of pixels by
# {{fewshot.scripts.1.over_pixels}}. 10-way 1-shot on handwritten digits: backbone
# {{fewshot.digits.1.backbone}}, pixels {{fewshot.digits.1.pixels}}, untrained
# {{fewshot.digits.1.random}}; ahead by {{fewshot.digits.1.over_pixels}}.
#
# Two footnotes. Some scripts come in two styles of one typeface, and then support and query share a
# base shape: the first numbers flatter. And the letters O, l, S and Z were among the source
# classes: they resemble digits.
#
# ## 3 · How sure may we be?
#
# Three hundred episodes of twenty queries are 6,000 answers. Are they 6,000 independent
# observations? All queries of an episode lean on the *same* support examples. If one of these is an
# ugly one, its queries all suffer. They are right or mistaken **together**.
#
# So the **episode is the unit**: its accuracy is one number, and 300 such numbers are independent.
# The interval is about their mean.
#
# ### Exercise: `episode_interval`
#
# {{exercise episode_interval}}
#
# You wrote `paired_effect` in module 00; this is its plain brother. With a hundred episodes and
# more, 1.96 and Student's t give nearly the same, and a bootstrap is welcome too.


# %% nbgrader={"grade_id": "episode_interval", "solution": true}
def episode_interval(accuracies):
    """Return (mean, low, high): the mean accuracy over episodes and its 95 % interval.

    accuracies (E,): one number per episode, which is the unit. E < 2 is a ValueError with a
    sentence.
    """
    ### BEGIN SOLUTION
    if len(accuracies) < 2:
        raise ValueError("One episode shows no spread: an interval needs at least two.")
    mean = float(accuracies.mean())
    half = 1.96 * float(accuracies.std()) / len(accuracies) ** 0.5
    return mean, mean - half, mean + half
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-episode_interval"}
check("episode_interval")

# %% [markdown]
# Here are 100 episodes, 5-way 1-shot with 15 queries per class, on handwritten digits. Below the
# histogram, three "95 % intervals".

# %%
interval_of = use("episode_interval")

x = features["handwritten digits"]["backbone"]
drawn = sample_episodes(test.labels, 5, 1, 15, 100, torch.Generator().manual_seed(8))
per_episode = accuracies(x, drawn, nearest_centroid)
mean = float(per_episode.mean())
pooled = 1.96 * (mean * (1 - mean) / drawn.query.numel()) ** 0.5
spread = 1.96 * float(per_episode.std())
three = {
    "the spread of the episodes": (mean, mean - spread, min(mean + spread, 1.0)),
    "episodes as unit": tuple(float(end) for end in interval_of(per_episode)),
    "7,500 pooled queries": (mean, mean - pooled, mean + pooled),
}
plots.show(
    plots.spread_of_episodes(per_episode, three),
    caption="The same task, 100 times. The first interval says where single episodes lie, not how "
    "well we know the mean. The last is the narrowest. Is it the best?",
    alt="A histogram of episode accuracies and three intervals about their mean: "
    + "; ".join(f"{name}, {low:.3f} to {high:.3f}" for name, (_, low, high) in three.items()),
)

# %% [markdown]
# Narrow is easy; *true* is the question. We simulated it: from a bank of 20,000 such episodes,
# whose mean we know, we drew 100 at a time, a thousand times, for ten banks. Intervals with the
# episode as unit held the true mean in {{fewshot.interval.episodes}} of the cases. Those that pool
# the queries held it in {{fewshot.interval.pooled}}: they are too narrow, the right ones being
# {{fewshot.interval.width_ratio}} as wide. As a bug of two lines, with its cost in coverage,
# {{fewshot.interval.cost.mean}}:
#
# ```diff
# - half_width = 1.96 * sqrt(mean * (1 - mean) / n_queries_in_all)
# + half_width = 1.96 * accuracies.std() / sqrt(n_episodes)
# ```
#
# A paper's "98.2 ± 0.3" is the episodes' kind, if all is well. It covers the luck of the episodes.
# It does not cover the luck of the training: for that, one needs several networks.
#
# ## 4 · Three classic bugs
#
# ### The queries lend a hand
#
# It happens in one line: the features of an episode lie in one table, class by class, and the mean
# is taken over the wrong slice.
#
# ```diff
# - prototypes = features.view(n_way, n_shot + n_query, -1).mean(1)
# + prototypes = features.view(n_way, n_shot + n_query, -1)[:, :n_shot].mean(1)
# ```
#
# **Predict.** We feed it features that are *pure noise*: 128 random numbers for each image. 5-way
# 1-shot, five queries per class. Right code must guess, 0.2. What does the bug report?

# %%
ledger.predict("pure noise, queries inside the prototypes", ..., "accuracy")


# %%
def with_queries(support, support_labels, query):
    """The bug: prototypes over support and queries together (queries come grouped by class)."""
    n_way = int(support_labels.max()) + 1
    query_labels = torch.arange(n_way).repeat_interleave(query.shape[-2] // n_way)
    both = torch.cat([support, query]), torch.cat([support_labels, query_labels])
    return classify(*both, query)


def accuracy_one_by_one(classifier, x, drawn):
    """Accuracy (E,) of a classifier that takes one episode at a time."""
    return torch.stack(
        [
            (classifier(x[s], drawn.support_labels, x[q]).argmax(1) == drawn.query_labels)
            .float()
            .mean()
            for s, q in zip(drawn.support, drawn.query, strict=True)
        ]
    )


noise, noise_labels = torch.randn(1000, 128, generator=rng), torch.arange(1000) % 5
drawn = sample_episodes(noise_labels, 5, 1, 5, 200, rng)
on_noise = {
    "right": interval_of(accuracy_one_by_one(classify, noise, drawn)),
    "queries inside the prototypes": interval_of(accuracy_one_by_one(with_queries, noise, drawn)),
}
ledger.measured(
    "pure noise, queries inside the prototypes", *on_noise["queries inside the prototypes"]
)
plots.show(
    plots.intervals(on_noise, "accuracy on pure noise, 5-way 1-shot", reference=0.2),
    caption="There is nothing to recognise, and the bug recognises it. Each query lies a little "
    "nearer to the mean that it helped to make; in many dimensions a little is enough.",
    alt="; ".join(f"{name}: {float(m):.2f}" for name, (m, _, _) in on_noise.items()),
)

# %% [markdown]
# Over ten seeds: {{fewshot.leak.noise.leaking}} instead of {{fewshot.leak.noise.right}}. On the
# unknown scripts, where the true accuracy is high, the same bug adds
# {{fewshot.bugs.leaking.cost}}, and nobody would be surprised by the result. **Feed noise to your
# evaluation** once in a while: what it reports on noise is what it makes up.
#
# ### Train mode at episode time
#
# In train mode batch-norm uses the statistics of the batch, here: of the episode. So the support
# and *all the queries together* decide what each query's features are. That is a leak: in use,
# queries arrive as they please. We ask three ways: in eval mode; in train mode, an episode's images
# in one batch; and in train mode, queries class by class, as they lie in a folder.
#
# **Predict** the last one.

# %%
ledger.predict("episodes in train mode, queries class by class", ..., "accuracy")

# %%
forgetful = copy.deepcopy(backbone).train()
drawn = sample_episodes(held_out.labels, 20, 1, 5, 30, rng)
by_mode = {"eval mode": [], "train mode, episode in one batch": [], "train mode, by class": []}
with torch.no_grad():
    for s, q in zip(drawn.support, drawn.query, strict=True):
        together = forgetful(letters[torch.cat([s, q])])
        by_class = torch.cat([forgetful(images) for images in letters[q].split(5)])
        asked = (
            (backbone(letters[s]), backbone(letters[q])),
            (together[: len(s)], together[len(s) :]),
            (forgetful(letters[s]), by_class),
        )
        for runs, (support, query) in zip(by_mode.values(), asked, strict=True):
            answers = nearest_centroid(support, drawn.support_labels, query).argmax(1)
            runs.append((answers == drawn.query_labels).float().mean())
modes = {name: interval_of(torch.stack(runs)) for name, runs in by_mode.items()}
ledger.measured("episodes in train mode, queries class by class", *modes["train mode, by class"])
plots.show(
    plots.intervals(modes, "20-way 1-shot accuracy, 30 episodes"),
    caption="With a balanced episode in one batch the bug hardly shows. With another order of the "
    "same queries nearly everything is lost.",
    alt="; ".join(f"{name}: {float(m):.2f}" for name, (m, _, _) in modes.items()),
)

# %% [markdown]
# That is what makes it a *classic*: the usual evaluation, balanced and in one batch, hides it.
# There it costs {{fewshot.bugs.train_mode.together.cost}} (ten seeds); class by class it costs
# {{fewshot.bugs.train_mode.by_class.cost}}. The cure is a line that you know:
#
# ```diff
# - features = backbone(images)                  # in the mode in which training left it
# + features = backbone.eval()(images)
# ```
#
# ### The sign
#
# ```diff
# - logits = torch.cdist(query, prototypes) ** 2
# + logits = -torch.cdist(query, prototypes) ** 2
# ```
#
# The farthest class wins. Accuracy falls to {{fewshot.bugs.sign.mean}}, far *below* guessing. It is
# the kindest of the three: an accuracy below chance always means a sign, or labels out of step.
#
# ## 5 · Directions instead of distances
#
# How long a feature vector is says how strongly the image speaks; its direction says what about. A
# thick pen makes it longer, and should not change the sign. The **cosine** of two vectors compares
# directions only. Three classifiers are built on it.
#
# - **Nearest centroid by cosine**: like prototypes, with angles. You have used it since module 00.
# - **Matching networks** (Vinyals et al. 2016): a query compares itself with every *example*, turns
#   the cosines into weights by a softmax, and adds up the weights of each class.
# - **Baseline++** (Chen et al. 2019): a new head, *trained* on the support set, whose logits are
#   scale times cosine.
#
# Why a scale? A cosine lies in [-1, 1]. With 20 classes a softmax of such numbers can at best give
# 0.28 to the right one, however perfect the features are. The scale says how sure it may get.
#
# ### Exercise: `cosine_logits`
#
# {{exercise cosine_logits}}
#
# Each *row* is divided by its own length. A row of zeros has no direction: give it logits of 0, not
# NaN.


# %% nbgrader={"grade_id": "cosine_logits", "solution": true}
def cosine_logits(features, weight, scale):
    """Return (N, K): scale times the cosine of each row of features and each row of weight.

    features (N, D), weight (K, D). A row of zeros, on either side, gives 0.
    """
    ### BEGIN SOLUTION
    return scale * F.normalize(features, dim=1) @ F.normalize(weight, dim=1).T
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-cosine_logits"}
check("cosine_logits")

# %% [markdown]
# First the scale. The same one-shot episodes, the same winners; only how sure the softmax is of
# them changes.

# %%
by_cosine = use("cosine_logits")

x = features["unknown scripts"]["backbone"]
drawn = sample_episodes(held_out.labels, 20, 1, 1, 100, torch.Generator().manual_seed(2))
rows = []
for scale in (1, 5, 10, 20, 50, 200):
    losses, sure = [], []
    for s, q in zip(drawn.support, drawn.query, strict=True):
        logits = torch.as_tensor(by_cosine(x[q], x[s], scale))
        losses.append(float(F.cross_entropy(logits, drawn.query_labels)))
        sure.append(float(logits.softmax(1).amax(1).mean()))
    rows.append(
        {"scale": scale, "largest probability": np.mean(sure), "cross-entropy": np.mean(losses)}
    )
Table(rows)

# %% [markdown]
# Too small, and nothing is ever sure; too large, and every mistake is made with full conviction.
# Accuracy is the same in every row. So the scale does not matter for counting right answers; it
# does as soon as something is *trained* by these probabilities.
#
# Now the classifiers against each other: the shipped measurement (ten seeds), and beside it a new
# seed of your own. Everything was chosen beforehand: Baseline++'s scale and rate on *other* digits
# than these.

# %%
my_seed = 11  # your own: any number from 10 upwards

settings = results.settings("few_shot")
classifiers = {
    "backbone": ("nearest centroid, cosine", nearest_centroid),
    "euclid": ("prototypes, squared distance", None),
    "matching": ("matching", matching_logits),
    "baseline_pp": ("Baseline++", partial(baseline_plus_plus, **settings["baseline_pp"])),
}
mine = {}
for target, key in (("unknown scripts", "scripts"), ("handwritten digits", "digits")):
    _, labels, n_way = targets[target]
    x = features[target]["backbone"]
    for n_shot in (1, 5):
        drawn = sample_episodes(
            labels, n_way, n_shot, 2, 150, torch.Generator().manual_seed(my_seed)
        )
        for name, (_, classifier) in classifiers.items():
            found = (
                accuracy_one_by_one(classify, x, drawn)
                if classifier is None
                else accuracies(x, drawn, classifier)
            )
            mine[f"fewshot.{key}.{n_shot}.{name}"] = float(found.mean())
Table(
    {
        "target": target,
        "shots": n_shot,
        "classifier": title,
        "shipped": shipped[f"fewshot.{key}.{n_shot}.{name}"]["text"],
        f"seed {my_seed}": f"{100 * mine[f'fewshot.{key}.{n_shot}.{name}']:.1f} %",
    }
    for target, key in (("unknown scripts", "scripts"), ("handwritten digits", "digits"))
    for n_shot in (1, 5)
    for name, (title, _) in classifiers.items()
)

# %% [markdown]
# Read it by differences to nearest centroid, paired over the seeds. Baseline++ on the scripts: with
# one shot {{fewshot.scripts.1.baseline_pp.gain}} ({{fewshot.scripts.1.baseline_pp.gain.verdict}}),
# with five {{fewshot.scripts.5.baseline_pp.gain}}
# ({{fewshot.scripts.5.baseline_pp.gain.verdict}}). On the digits: one
# {{fewshot.digits.1.baseline_pp.gain}} ({{fewshot.digits.1.baseline_pp.gain.verdict}}), five
# {{fewshot.digits.5.baseline_pp.gain}} ({{fewshot.digits.5.baseline_pp.gain.verdict}}). A head that
# is trained needs something to learn from: one example per class is not much. Going from one shot
# to five moves every row by far more than the choice of the classifier. **First get better
# features, then more shots, then argue about the head.**
#
# ## 6 · Should the embedding be trained by episodes?
#
# Our backbone was trained as an ordinary classifier, with cross-entropy over a thousand classes,
# and its head was thrown away. Prototypical, matching and Siamese networks are trained otherwise:
# **by episodes**, of source classes, so that training looks like the test. The whole idea is in two
# lines: draw an episode, and take the loss of its queries.
#
# ```python
# support, query = backbone(images_of_the_episode).split([n_support, n_queries])
# loss = cross_entropy(prototype_logits(support, s_y, query), q_y)
# ```
#
# Is it better? Two fair questions, both with the same number of images seen:
#
# 1. **From scratch**, 250 steps of 80 images: cross-entropy, prototypical, matching, Siamese.
# 2. **From the shipped backbone**: 250 ProtoNet steps more. Does it help?
#
# Rates, scale and margin were chosen on source classes that were left out of training meanwhile.
# **Predict**: of the four from scratch, which comes out best on unknown scripts?
#
# The next cell trains *one* network of your choice with your seed, which takes about ten seconds,
# and draws it over the shipped ones.

# %%
my_way = "prototypical"  # or "matching", or "siamese"

train = glyphs.load("train")
objectives = {
    "prototypical": training.prototypical,
    "matching": partial(training.matching, scale=settings["scale"]),
    "siamese": partial(training.siamese, margin=settings["margin"]),
}
embedding = random_backbone(my_seed)
history = training.fit_episodes(
    embedding,
    train.images.repeat(2, 1, 1, 1),  # each drawing twice, to be distorted in two ways
    train.labels.repeat(2),
    steps=settings["steps"],
    objective=objectives[my_way],
    n_query=3,
    lr=settings["rates"][my_way],
    augment=glyphs.augment,
    seed=my_seed,
)
drawn = sample_episodes(held_out.labels, 20, 1, 2, 300, torch.Generator().manual_seed(my_seed))
read_by = matching_logits if my_way == "matching" else prototypes.prototype_logits
my_accuracy = float(accuracies(forward_in_batches(embedding, letters), drawn, read_by).mean())
names = {
    "cross_entropy": "cross-entropy, from scratch",
    "prototypical": "prototypical, from scratch",
    "matching": "matching, from scratch",
    "siamese": "Siamese, from scratch",
    "tuned": "backbone + ProtoNet steps",
}
learned = {
    title: tuple(shipped[f"fewshot.learned.scripts.{name}"][end] for end in ("mean", "low", "high"))
    for name, title in names.items()
}
whole = shipped["fewshot.scripts.1.backbone"]
learned["backbone as shipped"] = whole["mean"], whole["low"], whole["high"]
ax = plots.intervals(learned, "20-way 1-shot on unknown scripts")
ax.plot(my_accuracy, list(names).index(my_way), "x", color=plots.RED, markersize=10)
plots.show(
    ax,
    caption=f"Dots and bars: shipped. Cross: your {my_way} network, seed {my_seed}: "
    f"{my_accuracy:.3f}. The upper four saw {80 * settings['steps']:,} images each, the backbone "
    "many more.",
    alt="; ".join(f"{name}: {mean:.2f}" for name, (mean, _, _) in learned.items()),
)

# %% [markdown]
# From scratch, against cross-entropy with the same images, paired over the seeds:
#
# - Prototypical: {{fewshot.learned.scripts.prototypical.gain}} on unknown scripts
#   ({{fewshot.learned.scripts.prototypical.gain.verdict}}),
#   {{fewshot.learned.digits.prototypical.gain}} on handwritten digits
#   ({{fewshot.learned.digits.prototypical.gain.verdict}}).
# - Matching: {{fewshot.learned.scripts.matching.gain}} on unknown scripts
#   ({{fewshot.learned.scripts.matching.gain.verdict}}), {{fewshot.learned.digits.matching.gain}}
#   on handwritten digits ({{fewshot.learned.digits.matching.gain.verdict}}).
# - Siamese: {{fewshot.learned.scripts.siamese.gain}} on unknown scripts
#   ({{fewshot.learned.scripts.siamese.gain.verdict}}), {{fewshot.learned.digits.siamese.gain}}
#   on handwritten digits ({{fewshot.learned.digits.siamese.gain.verdict}}).
#
# So "by episodes" is not one thing. At this budget matching is ahead and pairs fall behind, on both
# targets. Of prototypes a gain shows on the digits alone.
#
# And 250 ProtoNet steps on top of the shipped backbone? Read in the same way, by squared distances,
# they change it by {{fewshot.learned.scripts.tuned.gain}} on the scripts
# ({{fewshot.learned.scripts.tuned.gain.verdict}}) and by {{fewshot.learned.digits.tuned.gain}} on
# the digits ({{fewshot.learned.digits.tuned.gain.verdict}}). Against the shipped backbone read by
# cosine it is {{fewshot.learned.scripts.tuned.over_cosine}} and
# {{fewshot.learned.digits.tuned.over_cosine}}.
#
# Note what was compared: a few seeds, one small network, one small budget; and for three of the
# four from scratch the largest rate that we tried was the best, so a larger one might do better.
# What stays: the gap between *any* of the upper four and the long-trained backbone is far larger
# than the gaps between them. Once the features are good, a nearest centroid on top of an ordinary
# classifier's backbone is hard to beat; Chen et al. 2019 and Tian et al. 2020 found the same on
# larger images.
#
# ### Optional exercise: `contrastive_loss`
#
# {{exercise contrastive_loss}}
#
# Optional: it carries no points. The **Siamese network** is the oldest of the family. It sees
# *pairs*, and learns which are alike: the **contrastive loss** pulls pairs of one class together
# and pushes others apart, until they are a **margin** away (Hadsell, Chopra and LeCun 2006).
#
# > mean over the pairs of  same · d² + (1 - same) · max(0, margin - d)²
#
# with the Euclidean distance d of their features. Two traps. The paper's label is 1 for *unlike*
# pairs, ours for alike ones: read the convention each time. And √ has an infinite slope at 0, where
# a pair is equal.


# %% nbgrader={"grade_id": "contrastive_loss", "solution": true}
def contrastive_loss(a, b, same, margin):
    """Return the mean of same * d^2 + (1 - same) * max(0, margin - d)^2 over the pairs, 0-d.

    a, b (N, D) are the features of the pairs, d their Euclidean distance; same (N,) is 1 or True
    for pairs of one class, of dtype bool, int or float. The gradient is finite, also where d = 0.
    """
    ### BEGIN SOLUTION
    d = torch.linalg.vector_norm(a - b, dim=1)  # its gradient at 0 is 0
    same = same.to(a.dtype)
    return (same * d**2 + (1 - same) * (margin - d).clamp(min=0) ** 2).mean()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-contrastive_loss"}
check("contrastive_loss")

# %% [markdown]
# ## 7 · Invent your alphabet
#
# Everything so far was somebody else's writing. Now yours.
#
# 1. Run the next cell. It writes `my_alphabet.pdf` beside this notebook: a sheet with sixty cells.
#    Print it (any size of paper). No printer? Run the cells all the same: a simulated photograph
#    stands in.
# 2. Invent twenty signs, and draw each of them three times, side by side, with a dark pen. Nobody
#    should have seen them before.
# 3. Photograph the whole sheet, all five round marks in the picture. Some shadow does not matter.
# 4. Copy the photograph (JPEG or PNG) to this computer, write its name below, and run on.
#
# The photograph stays on this computer.

# %%
signs.grid().save("my_alphabet.pdf", resolution=150)
MY_PHOTO = None  # such as "my_alphabet.jpg"

# %% [markdown]
# How does the computer find sixty cells in a photograph taken askew? The five marks are discs in
# rings, which are rare elsewhere. Four of them, the corners, determine the **homography**, the map
# from sheet to photograph under any perspective; the fifth says where up is. Ink is what is dark
# *beside its surroundings*, so a shadow is not ink. Each drawing is then cropped, centred and
# thickened, until it looks like the glyphs that the backbone knows.

# %%
try:
    if MY_PHOTO:
        photo, whose = signs.open_photo(MY_PHOTO), "your signs"
    else:
        hand = np.random.default_rng(my_seed)
        photo = snapshots.photograph(snapshots.filled_sheet(hand), hand, turn=my_seed % 4)
        whose = "simulated signs"
    to_photo = signs.find_sheet(photo)
    alphabet = signs.read(photo)
except CourseError as problem:
    print(problem)
    hand = np.random.default_rng(my_seed)
    photo, whose = snapshots.photograph(snapshots.filled_sheet(hand), hand), "simulated signs"
    to_photo, alphabet = signs.find_sheet(photo), signs.read(photo)
    print("Until then, a simulated photograph stands in.")
plots.show(
    plots.sheet_found(
        photo,
        signs.project(to_photo, np.vstack([signs.CORNERS, signs.UP])),
        signs.project(to_photo, signs.cell_corners().reshape(-1, 4, 2)),
    ),
    caption=f"The photograph with {whose}: marks (red) and cells (orange), as they were found.",
    alt="A photograph of a sheet with hand-drawn signs, taken askew and with a shadow; five round "
    "marks and the cells of the grid are outlined.",
)

# %% [markdown]
# **Predict.** The first drawing of each sign is the support set: one example each. The others are
# queries. What share will be read correctly, among as many signs as you have drawn?

# %%
ledger.predict("my alphabet, one example of each sign", ..., "accuracy")

# %%
first = torch.ones(len(alphabet.labels), dtype=torch.bool)
first[1:] = alphabet.labels[1:] != alphabet.labels[:-1]
x = forward_in_batches(backbone, alphabet.images)
support, query, truth = x[first], x[~first], alphabet.labels[~first]
read_as = nearest_centroid(support, alphabet.labels[first], query).argmax(1)
mine_right = float((read_as == truth).float().mean())
ledger.measured("my alphabet, one example of each sign", mine_right)
once = torch.ones(len(truth), dtype=torch.bool)
once[1:] = truth[1:] != truth[:-1]  # one query of each sign is enough for a picture
plots.show(
    plots.episode(
        alphabet.images[first], alphabet.images[~first][once], read_as[once], truth[once]
    ),
    caption=f"{whose.capitalize()}, {len(alphabet.classes)}-way 1-shot: {mine_right:.0%} of "
    f"{len(truth)} queries are read correctly; guessing gives {1 / len(alphabet.classes):.0%}.",
    alt=f"One drawing of each sign, another drawing of it, and the sign it was taken for; "
    f"{int((read_as == truth)[once].sum())} of {int(once.sum())} shown are right.",
)

# %% [markdown]
# An alphabet that nobody had seen before today, one example of each sign, and no training at all.
# If it was a simulated hand: its copies resemble each other more than yours would, so take the
# number with a grain of salt, and draw!
#
# Which signs were confused? Could *you* tell them apart at a glance? A good alphabet keeps its
# signs far from each other, as prototypes should be.
#
# ### The claim
#
# *With pretrained features one labelled example per class is enough to recognise it.* What is
# "enough"? We fix it before we look, and for the target that resembles real use: **nine of ten
# handwritten digits right**, 10-way 1-shot. **Test**: accuracy minus 0.9, over 200 episodes of your
# seed. Beside it stands what pretraining gives, the difference to pixels on the same episodes.

# %%
drawn = sample_episodes(test.labels, 10, 1, 2, 200, torch.Generator().manual_seed(my_seed))
of_backbone, of_pixels = (
    accuracies(features["handwritten digits"][name], drawn, nearest_centroid)
    for name in ("backbone", "pixels")
)
enough = interval_of(of_backbone - 0.9)
over_pixels = paired_effect(of_backbone, of_pixels)
claims.record(
    "one_shot",
    *(float(end) for end in enough),
    note=f"one shot on handwritten digits, 10-way, minus 0.9, seed {my_seed}",
)
plots.show(
    plots.intervals(
        {"backbone - 0.9": enough, "backbone - pixels": over_pixels},
        "difference in accuracy, 200 episodes",
        reference=0,
    ),
    caption="Right of the dashed line: enough, or ahead. Pretraining helps a great deal; whether "
    "one example is enough is another question.",
    alt=f"backbone minus 0.9: {float(enough[0]):+.3f}; "
    f"backbone minus pixels: {over_pixels[0]:+.3f}.",
)
claims.board()

# %% [markdown]
# The verdict hangs on the target and on the word *enough*. With the same features and the same rule
# the unknown scripts in print reach {{fewshot.scripts.1.backbone.mean}}, twenty ways and all, and
# five digits instead of one {{fewshot.digits.5.backbone.mean}}. An honest answer names the task.
#
# ## 8 · The Omniglot challenge
#
# *Omniglot* (Lake, Salakhutdinov and Tenenbaum 2015) has 1,623 characters of fifty alphabets, each
# drawn by twenty people. Its one-shot challenge: twenty official runs of twenty characters of one
# alphabet; one drawing of each, and one by *another* person to be named. **People make fewer than
# 4.5 % errors.** The twenty runs need a small download; without it the cell says so in a sentence.

# %%
try:
    runs = omniglot.runs()
except CourseError as missing:
    print(missing)
else:
    errors = {"pixels": [], "untrained": [], "backbone": []}
    for run in runs:
        support, query = looks(run.support), looks(run.query)
        for name in errors:
            answers = nearest_centroid(support[name], torch.arange(20), query[name]).argmax(1)
            errors[name].append(float((answers != run.answers).float().mean()))
    plots.show(
        plots.intervals(
            {name: mean_interval(of_runs) for name, of_runs in errors.items()},
            "error in the 20 official runs",
            reference=0.045,
        ),
        caption="The Omniglot challenge, with a backbone that has seen printed characters only. "
        "Dashed: people. The gap is what is left to explain.",
        alt="; ".join(f"{name}: {np.mean(of_runs):.3f} error" for name, of_runs in errors.items()),
    )

# %% [markdown]
# As measured for this course: backbone {{fewshot.omniglot.runs.backbone}} errors, pixels
# {{fewshot.omniglot.runs.pixels}}, untrained {{fewshot.omniglot.runs.random}} (intervals over the
# twenty runs). Two of the runs are Cyrillic letters, which the backbone knows in print; without
# them it makes {{fewshot.omniglot.overlap_free.backbone}}. In random 20-way 1-shot episodes over
# all other alphabets of the evaluation set, an easier task because their characters are less alike,
# it is right in {{fewshot.omniglot.episodes.backbone}} (pixels
# {{fewshot.omniglot.episodes.pixels}}).
#
# A network that has never seen a drawing comes this far, and is still far from people. People, it
# seems, do not compare pictures. They see how a sign was *drawn*.
#
# ## On real photographs
#
# The same two functions on photographs of ants and bees, with a MobileNetV2 that was trained on
# ImageNet: 2-way episodes with one, five and twenty shots. Guessing gives 50 %. (Both insects are
# among ImageNet's classes, so this target is a friendly one.)

# %%
try:
    network = imagenet()
    parts = [photos.load(split, 161) for split in ("train", "val")]
except CourseError as missing:
    print(missing)
else:
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    insects = torch.cat([(part.images - mean) / std for part in parts])
    insect_labels = torch.cat([part.labels for part in parts])
    x = cached_features(network, insects, transform="imagenet 161", split="ants and bees")
    by_shots = {}
    for n_shot in (1, 5, 20):
        drawn = sample_episodes(insect_labels, 2, n_shot, 15, 200, rng)
        by_shots[f"{n_shot} per class"] = interval_of(accuracies(x, drawn, nearest_centroid))
    plots.show(
        plots.intervals(by_shots, "accuracy, ants or bees, 200 episodes", reference=0.5),
        caption="Ants or bees from one, five and twenty labelled photographs of each, nearest "
        "centroid on frozen features.",
        alt="; ".join(f"{name}: {float(m):.2f}" for name, (m, _, _) in by_shots.items()),
    )

# %% [markdown]
# ## A question to write about
#
# In part 4 prototypes that include the queries were nearly perfect on pure noise, with 128 features
# per image. With 16 features the same bug reports less. **In at most 80 words: why does it work on
# noise at all, and why better with more dimensions?** Think of what happens to the distance between
# a query and a mean that the query is part of.
#
# <details><summary>A model answer</summary>
#
# The mean of m noise vectors that includes the query is drawn towards it by 1/m of their distance;
# the means of the other classes are not. In one dimension this small advantage drowns in the luck
# of the draw. Squared distances add up over dimensions: the advantage grows with D, the luck only
# with √D. So in many dimensions the own class wins nearly always, although no feature means
# anything.
#
# </details>
#
# Your predictions, beside what came out:

# %%
try:
    plots.show(
        plots.ledger(ledger.rows(here=True)),
        caption="Your predictions and what was measured. Where was the surprise?",
        alt="A row for each prediction of yours, beside the measured value with its interval.",
    )
except ValueError as nothing_yet:
    print(nothing_yet)

# %% [markdown]
# ## Where to read on
#
# - Vinyals et al. 2016, *Matching Networks for One Shot Learning*: episodes, and training by them.
# - Snell, Swersky and Zemel 2017, *Prototypical Networks for Few-shot Learning*.
# - Hadsell, Chopra and LeCun 2006, *Dimensionality Reduction by Learning an Invariant Mapping*: the
#   contrastive loss; and Koch, Zemel and Salakhutdinov 2015, *Siamese Neural Networks for One-shot
#   Image Recognition*.
# - Chen et al. 2019, *A Closer Look at Few-shot Classification*: Baseline++; and Tian et al. 2020,
#   *Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?*
# - Lake, Salakhutdinov and Tenenbaum 2015, *Human-level concept learning through probabilistic
#   program induction*; and 2019, *The Omniglot challenge: a 3-year progress report*.
#
# ## What comes next
#
# One label per image was all that we ever predicted. **06 · Beyond classification** puts the same
# backbone under a network that says *where* things are.
