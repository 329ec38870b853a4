# %% [markdown]
# # 02 · Fine-tuning
#
# Frozen features read your digits well. Then somebody asks: "It is *your* network now. Why don't
# you train all of it?" **Should you? And if you do, how do you not break what you got for free?**
#
# **Fine-tuning** means to go on training the pretrained weights on the target task. It is the most
# used technique of all, and the one in which most goes astray without a word: weights that never
# moved, weights that moved too far, a best checkpoint that is not the best.
#
# In about 90 minutes you will
#
# - fine-tune a network, see what it gains and what one careless number destroys;
# - give each layer a learning rate of its own (`param_groups`);
# - keep the best epoch, and find out what you really kept (`best_checkpoint`);
# - open a network block by block, and catch an optimiser that was never told (`unfreeze`);
# - let the head arrive before the backbone moves (`lp_ft`), and test it where the world has turned;
# - measure what the network forgets.
#
# | part | minutes |
# |---|---|
# | 1 · Train everything? | 10 |
# | 2 · Not one rate for all: `param_groups` | 16 |
# | 3 · The best epoch: `best_checkpoint` | 15 |
# | 4 · Block by block: `unfreeze` | 23 |
# | 5 · The head first: `lp_ft` | 22 |
# | 6 · What it forgets · 7 · The claim, tested · a question | 12 |

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
import math
import sys
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import nn
from tqdm import tqdm

from course_lib import check, hint, plots, use
from course_lib.data import digits, glyphs, photos
from course_lib.data.shifts import photo_background, rotate_and_shear
from course_lib.errors import CourseError
from course_lib.evidence import claims, ledger, results
from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.intervals import mean_interval, paired_effect
from course_lib.evidence.notes import Table
from course_lib.evidence.splits import k_shot_split
from course_lib.models.convnet import Classifier
from course_lib.models.weights import imagenet, load_backbone
from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze, thaw
from course_lib.transfer.train import fit

threadpool_limits(1)  # work this small gains nothing from more threads
progress = partial(tqdm, leave=False, delay=3, file=sys.stdout)  # a bar for what takes longer
print(f"PyTorch {torch.__version__}, course {course_lib.__version__}: ready.")

# %% [markdown]
# The target is the one you know: handwritten digits, a few labels per class from the pool, 797 for
# testing. All rates and numbers of steps below were chosen beforehand, on characters of other
# scripts. Choose a seed of your own, from 10 upwards; 0 to 9 are in the shipped tables.

# %%
my_seed = 12  # your own

pool, test = digits.load("pool"), digits.load("test")
settings = results.settings("fine_tuning")
shipped = results.numbers()
print("chosen on:", settings["chosen_on"])


def pretrained(seed=my_seed):
    """The shipped backbone with a new head."""
    return Classifier(load_backbone(), n_classes=10, seed=seed)


def labelled(n_shot, seed=my_seed):
    """Images and labels of n_shot examples per class."""
    support, _ = k_shot_split(pool.labels, n_shot, seed)
    return pool.images[support], pool.labels[support]


def show_shipped(*rows):
    """A table of shipped results; a row is a name and the key of a number."""
    return Table({"": name, "ten seeds": shipped[key]["text"]} for name, key in rows)


# %% [markdown]
# ## 1 · Train everything?
#
# Two labels per class, twenty images. **Frozen** trains the head, 1,290 weights. **Fine-tuned**
# trains all 303,866. Every image is distorted anew in each step, as in pretraining.
#
# **Predict.** Frozen gives {{digits.2.frozen}} over ten seeds. What does fine-tuning give?

# %%
ledger.predict("20 labels, everything fine-tuned", ..., "accuracy")

# %%
RATE = settings["finetune_rate"]
tuned = pretrained()
history = fit(
    tuned,
    *labelled(2),
    steps=settings["steps"],
    lr=RATE,
    augment=glyphs.augment,
    val=(test.images, test.labels),  # for the picture; nothing is chosen by it
    log_every=30,
    seed=my_seed,
)
plots.show(
    plots.training_curves(history),
    caption=f"Fine-tuning on twenty images, your seed {my_seed}. Here 'validation' is the test "
    "set, only looked at.",
    alt=f"After {history[-1]['step']} steps: training accuracy {history[-1]['train_accuracy']:.2f},"
    f" test accuracy {history[-1]['val_accuracy']:.2f}.",
)
ledger.measured("20 labels, everything fine-tuned", history[-1]["val_accuracy"])

# %% [markdown]
# One seed says little. Here are ten, for one to twenty labels per class (fine-tuned and LP-FT at
# twenty: five). **Scratch** is the same network from random weights, with the same distortions and
# *twice* as many steps. **LP-FT** is the method of part 5.

# %%
ways = {
    "scratch": "digits.{}.scratch",
    "frozen": "digits.{}.frozen",
    "fine-tuned": "ft.digits.{}.finetune",
    "LP-FT": "ft.digits.{}.lpft",
}
sizes = (1, 2, 5, 20)
plots.show(
    plots.learning_curves(
        sizes,
        {
            way: [[shipped[key.format(n)][end] for end in ("mean", "low", "high")] for n in sizes]
            for way, key in ways.items()
        },
    ),
    caption="Four ways to use the same labels. Look for the place where training everything "
    "begins to pay.",
    alt="; ".join(
        f"{way}: " + ", ".join(f"{shipped[key.format(n)]['mean']:.2f} at {n}" for n in sizes)
        for way, key in ways.items()
    ),
)
Table(
    {"labels per class": n}
    | {
        f"{name} minus {other}": shipped[f"ft.digits.{n}.{way}.over_{other}"]["text"]
        for name, way in (("fine-tuned", "finetune"), ("LP-FT", "lpft"))
        for other in ("frozen", "scratch")
    }
    for n in sizes
)

# %% [markdown]
# Read the table by its intervals. With *one* label per class, fine-tuning minus frozen is
# {{ft.digits.1.finetune.over_frozen}}: {{ft.digits.1.finetune.over_frozen.verdict}}. With five it
# is {{ft.digits.5.finetune.over_frozen}}: {{ft.digits.5.finetune.over_frozen.verdict}}. With
# twenty it is {{ft.digits.20.finetune.over_frozen}}:
# {{ft.digits.20.finetune.over_frozen.verdict}}. A freedom of 300,000 weights must be paid for with
# labels. LP-FT asks for fewer. With twenty labels per class it is still ahead of scratch
# ({{ft.digits.20.lpft.over_scratch}}: {{ft.digits.20.lpft.over_scratch.verdict}}). Most of that is
# its first phase, a probe with a weaker penalty than in module 01; the second phase adds
# {{ft.digits.5.lpft.over_probe}} with five labels per class, and
# {{ft.digits.20.lpft.over_probe}} with twenty.
#
# Scratch is a strong rival here. What would LP-FT gain over weaker ones?

# %%
scratches = {
    "distorted images, twice the steps": "scratch",
    "distorted images, the same steps": "scratch_same_steps",
    "plain images, twice the steps": "plain_scratch",
}
Table(
    {"LP-FT minus scratch with": name}
    | {f"{n} per class": shipped[f"ft.digits.{n}.lpft.over_{scratch}"]["text"] for n in (1, 2, 5)}
    for name, scratch in scratches.items()
)

# %% [markdown]
# Introductions mostly compare with the last line. When you read of a gain, ask: over *which*
# scratch?
#
# The nearer the target is to the source, the less there is to tune. Ten *printed* characters of a
# script that was never trained on, one label each: frozen {{ft.scripts.1.frozen.mean}}, fine-tuned
# {{ft.scripts.1.finetune.mean}}, a paired difference of {{ft.scripts.1.finetune.over_frozen}}.
#
# ### The classic bug: a rate for random weights
#
# ```diff
# - fit(model, images, labels, lr=3e-2)     # what a new network might take
# + fit(model, images, labels, lr=1e-3)     # what pretrained weights survive
# ```
#
# **Predict** the accuracy with the upper line, everything else as before.

# %%
ledger.predict("20 labels, fine-tuned at a rate of 0.03", ..., "accuracy")

# %%
broken = pretrained()
fit(
    broken,
    *labelled(2),
    steps=settings["steps"],
    lr=settings["too_high"],
    augment=glyphs.augment,
    seed=my_seed,
)
accuracy = evaluate(broken, test.images, test.labels)
ledger.measured("20 labels, fine-tuned at a rate of 0.03", accuracy)
print(f"your seed: {accuracy:.3f} instead of {history[-1]['val_accuracy']:.3f}")
show_shipped(
    ("the chosen rate", "ft.digits.2.finetune"),
    ("a rate of 0.03", "bugs.too_high.accuracy"),
    ("what it costs", "bugs.too_high.cost"),
)

# %% [markdown]
# The first steps at a high rate overwrite what pretraining had found. From then on it is training
# from scratch, with twenty images.
#
# ## 2 · Not one rate for all: `param_groups`
#
# The head is new; it must travel far. The backbone is nearly there. And within the backbone, the
# blocks at the input see edges, which serve any task, while the last ones are made for the source.
# So give the head its rate, and each block below it a fraction of the rate above: **discriminative
# learning rates** (Howard and Ruder 2018).
#
# An optimiser takes such wishes as **parameter groups**: a list of dicts, each with its `params`,
# `lr` and `weight_decay`. While you are at it: **weight decay** pulls weights towards zero. That is
# a sound guess for a filter. It is none for the scale of batch-norm, which starts at 1, nor for a
# bias. The usual rule exempts everything with fewer than two dimensions.
#
# ### Exercise: `param_groups`
#
# {{exercise param_groups}}
#
# With L blocks, i = 1 at the input: block i gets `head_lr` times `layer_decay` to the power
# L - i + 1. So the last block lies one step below the head.


# %% nbgrader={"grade_id": "param_groups", "solution": true}
def param_groups(model, head_lr, layer_decay, weight_decay):
    """Return a list of dicts with params, lr and weight_decay, for an optimiser.

    The head gets head_lr; block i of L (i = 1 at the input) head_lr * layer_decay ** (L - i + 1).
    Parameters with ndim < 2 get no decay. Each trainable parameter once, frozen ones not at all,
    and no group is empty.
    """
    ### BEGIN SOLUTION
    groups = []
    for depth, part in enumerate([model.head, *reversed(model.backbone.blocks)]):
        trainable = [p for p in part.parameters() if p.requires_grad]
        matrices = [p for p in trainable if p.ndim >= 2]
        vectors = [p for p in trainable if p.ndim < 2]
        for params, decay in ((matrices, weight_decay), (vectors, 0.0)):
            if params:
                lr = head_lr * layer_decay**depth
                groups.append({"params": params, "lr": lr, "weight_decay": decay})
    return groups
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-param_groups"}
check("param_groups")

# %% [markdown]
# Does it hold the lower layers back? We train twice, with one rate for all and with halving rates,
# and look at how far each part has moved, as a share of its length.

# %%
groups_of = use("param_groups")
BLOCKS = ("stem", "stage 1", "stage 2", "stage 3", "head")


def moved(model, start):
    """How far the filters of each part are from their start, as a share of their length."""
    shares = []
    for part, before in zip(
        [*model.backbone.blocks, model.head], [*start.backbone.blocks, start.head], strict=True
    ):
        pairs = [
            ((p - q).detach(), q.detach())
            for p, q in zip(part.parameters(), before.parameters(), strict=True)
            if p.ndim > 1
        ]
        change, length = (
            math.sqrt(sum(float(tensor.square().sum()) for tensor in tensors))
            for tensors in zip(*pairs, strict=True)
        )
        shares.append(change / length)
    return shares


travel = {}
for name, decay in (("one rate", 1.0), ("halved with each block", settings["layer_decay"])):
    model = pretrained()
    optimizer = torch.optim.AdamW(groups_of(model, RATE, decay, 0.05))
    fit(
        model,
        *labelled(2),
        steps=60,
        optimizer=optimizer,
        augment=glyphs.augment,
        seed=my_seed,
    )
    travel[name] = moved(model, pretrained())
Table(
    {"part": part} | {name: f"{shares[i]:.1%}" for name, shares in travel.items()}
    for i, part in enumerate(BLOCKS)
)

# %% [markdown]
# Yes: the stem hardly moves any more. But *does it help?* With two labels per class it changes the
# accuracy by {{ft.digits.2.discriminative.over_one_rate}}, which is
# {{ft.digits.2.discriminative.over_one_rate.verdict}}. On the cluttered digits of part 4, where
# the lowest layers are the ones that must change, it is {{ft.clutter.discriminative.over_one_rate}}
# ({{ft.clutter.discriminative.over_one_rate.verdict}}). A recipe is a hypothesis about *your* task.
#
# ## 3 · The best epoch: `best_checkpoint`
#
# Training goes up and down, and the last epoch is seldom the best. So one keeps a **checkpoint**, a
# copy of the weights, whenever the score on the **validation** split is better than before. Note
# the name of the split. On the *test* set the same choice would make the report too good, as you
# saw in module 01.
#
# ### Exercise: `best_checkpoint`
#
# {{exercise best_checkpoint}}
#
# It gets two functions. `train_one_epoch(model)` trains; `val_score(model)` scores on the
# validation split, and higher is better. A score can be NaN, after a division by zero, say: then
# that epoch is never the best.


# %% nbgrader={"grade_id": "best_checkpoint", "solution": true}
def best_checkpoint(model, train_one_epoch, val_score, epochs):
    """Return (best_epoch counted from 1, best_score, state_dict of that epoch).

    train_one_epoch(model) and val_score(model), in turn, once per epoch. Higher is better, of
    equals the earliest; NaN is never best, all NaN is a ValueError with a sentence. The state has
    the buffers and no later training changes it; the model stays at its last epoch.
    """
    ### BEGIN SOLUTION
    best = None
    for epoch in range(1, epochs + 1):
        train_one_epoch(model)
        score = val_score(model)
        if not math.isnan(score) and (best is None or score > best[1]):
            best = epoch, score, copy.deepcopy(model.state_dict())
    if best is None:
        raise ValueError("Every score was NaN: no epoch is the best.")
    return best
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-best_checkpoint"}
check("best_checkpoint")

# %% [markdown]
# ### The classic bug: `state_dict()` is a copy
#
# ```diff
# - best_state = model.state_dict()
# + best_state = copy.deepcopy(model.state_dict())
# ```
#
# It runs, saves, loads, and always gives back the *last* epoch. Below, a nervous training: a high
# rate that never falls, twenty images in batches of ten. Validation: fifty other digits.

# %%
keep_best = use("best_checkpoint")
nervous = pretrained()
images, labels = labelled(2)
support, rest = k_shot_split(pool.labels, 2, my_seed)
val = rest[k_shot_split(pool.labels[rest], 5, my_seed)[0]]
adam = torch.optim.Adam(nervous.parameters(), lr=1e-2)
shuffle = torch.Generator().manual_seed(my_seed)
val_scores = []


def train_one_epoch(model):
    model.train()
    for batch in torch.randperm(len(images), generator=shuffle).split(10):
        logits = model(glyphs.augment(images[batch], shuffle))
        loss = F.cross_entropy(logits, labels[batch])
        adam.zero_grad()
        loss.backward()
        adam.step()


def val_score(model):
    val_scores.append(evaluate(model, pool.images[val], pool.labels[val]))
    return val_scores[-1]


epoch, score, state = keep_best(nervous, train_one_epoch, val_score, epochs=20)
last = evaluate(nervous, test.images, test.labels)
nervous.load_state_dict(state)
best = evaluate(nervous, test.images, test.labels)
ax = plots.learning_curves(
    range(1, len(val_scores) + 1),
    {"validation": [(s, s, s) for s in val_scores]},
    x_label="epoch",
)
ax.set_xscale("linear")
ax.set_xlim(0, len(val_scores) + 1)
ax.set_xticks(range(5, len(val_scores) + 1, 5))
ax.set_ylabel("accuracy on 50 validation images")
ax.axvline(epoch, color="0.4", linestyle="--", linewidth=1)
plots.show(
    ax,
    caption=f"Dashed: the epoch that was kept, {epoch}. On the test set it is worth {best:.3f}, "
    f"and the last epoch, which an alias would have kept, {last:.3f}.",
    alt=f"Validation accuracy by epoch, from {min(val_scores):.2f} to {max(val_scores):.2f}; best "
    f"in epoch {epoch}.",
)
show_shipped(
    ("a true copy of the best epoch", "bugs.alias.right"),
    ("an alias: the last epoch", "bugs.alias.accuracy"),
    ("what the alias costs", "bugs.alias.cost"),
)

# %% [markdown]
# Sometimes the bug costs nothing, when the last epoch happens to be as good. That is why it lives
# so long. It shows when training goes astray at the end, just when you wanted the insurance.
#
# ## 4 · Block by block: `unfreeze`
#
# Now a target that looks *different*: the same digits in front of photographs.

# %%
pictures = photo_background(pool.images[:16], "train", torch.Generator().manual_seed(0))
plots.show(
    plots.image_grid(pictures, [str(int(y)) for y in pool.labels[:16]]),
    caption="Digits on clutter. The backbone has only ever seen characters on black.",
    alt="Sixteen handwritten digits with pieces of photographs behind them.",
)

# %% [markdown]
# **Predict.** Five labels per class. How far is fine-tuning ahead of the frozen backbone here, in
# accuracy?

# %%
ledger.predict("clutter, 50 labels: fine-tuned - frozen", ..., "difference in accuracy")

# %%
ledger.measured(
    "clutter, 50 labels: fine-tuned - frozen",
    *(shipped["ft.clutter.finetune.over_frozen"][end] for end in ("mean", "low", "high")),
)
rows = {
    "frozen": "frozen",
    "scratch, twice the steps": "scratch",
    "fine-tuned": "finetune",
    "fine-tuned minus frozen": "finetune.over_frozen",
    "fine-tuned minus scratch, twice the steps": "finetune.over_scratch",
    "fine-tuned minus scratch, same steps": "finetune.over_scratch_same_steps",
}
columns = {"2 labels per class": "2.", "5 labels per class": "", "20 labels per class": "20."}
Table(
    {"on clutter": name}
    | {title: shipped[f"ft.clutter.{n}{key}"]["text"] for title, n in columns.items()}
    for name, key in rows.items()
)

# %% [markdown]
# Frozen features of cluttered images are poor, because the very first filters answer to the
# clutter. No head can mend that; the backbone has to learn to look past it. Against scratch the
# start from glyphs gains little here: {{ft.clutter.finetune.over_scratch_same_steps}} with five
# labels per class and the same steps ({{ft.clutter.finetune.over_scratch_same_steps.verdict}}), and
# {{ft.clutter.finetune.over_scratch}} if scratch may take twice as many
# ({{ft.clutter.finetune.over_scratch.verdict}}). When the early layers must be learned anew, good
# late layers are worth less.
#
# How to open a backbone carefully? **Gradual unfreezing** trains the head alone first (stage 0),
# then also the last block (stage 1), and so on towards the input. Two things must come together
# before a weight moves: it asks for a gradient, *and an optimiser holds it*.
#
# ### The classic bug: the optimiser that was never told
#
# ```diff
#   optimizer = AdamW(model.head.parameters())      # stage 0: right
# - model.backbone.requires_grad_(True)             # stage 4: gradients flow, nothing moves
# + unfreeze(model, optimizer, stage=4)             # the optimiser gets the parameters, too
# ```

# %%
images, labels = labelled(5)
cluttered = photo_background(images, "train", torch.Generator().manual_seed(my_seed))
model = pretrained()
optimizer = torch.optim.AdamW(model.head.parameters(), lr=settings["clutter"]["finetune"])
freeze(model.backbone)
thaw(model.backbone)  # "it trains again"
logits = model.train()(cluttered)
F.cross_entropy(logits, labels).backward()
optimizer.step()
held = {id(p) for group in optimizer.param_groups for p in group["params"]}
Table(
    {
        "part": name,
        "asks for a gradient": all(p.requires_grad for p in part.parameters()),
        "has one": all(p.grad is not None for p in part.parameters()),
        "the optimiser holds it": all(id(p) in held for p in part.parameters()),
    }
    for name, part in zip(BLOCKS, [*model.backbone.blocks, model.head], strict=True)
)

# %% [markdown]
# Gradients everywhere, and four of five parts stand still. No error, no warning. Over ten seeds
# that is {{bugs.never_got.accuracy}} on clutter, a cost of {{bugs.never_got.cost}}.
#
# ### Exercise: `unfreeze`
#
# {{exercise unfreeze}}
#
# Open the head and the last `stage` blocks; shut the blocks before them as thoroughly as `freeze`
# of module 01 does: also when the stage goes *down*, when old gradients and momentum lie about. The
# library's `freeze(part)` and its way back, `thaw(part)`, are imported and yours to use.


# %% nbgrader={"grade_id": "unfreeze", "solution": true}
def unfreeze(model, optimizer, stage):
    """Open the head and the last `stage` blocks, freeze the rest for good; return the optimiser.

    Stage 0 opens the head only, L everything; beyond L a ValueError with a sentence. Any stage may
    follow any other, or itself. Each trainable parameter is in exactly one group; new groups get
    the rate of param_groups[0]. A rebuilt optimiser is fine.
    """
    ### BEGIN SOLUTION
    blocks = model.backbone.blocks
    if stage > len(blocks):
        raise ValueError(f"There is no stage {stage}: the backbone has {len(blocks)} blocks.")
    n_shut = len(blocks) - stage
    for part in [*blocks[n_shut:], model.head]:
        thaw(part)
    for block in blocks[:n_shut]:
        freeze(block)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    if new:
        optimizer.add_param_group({"params": new, "lr": optimizer.param_groups[0]["lr"]})
    return optimizer
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-unfreeze"}
check("unfreeze")

# %% [markdown]
# Watch the stages on clutter: the head alone, then a block more in each stage.

# %%
open_up = use("unfreeze")
clutter_test = photo_background(test.images, "test", torch.Generator().manual_seed(0))
model = pretrained()
optimizer = torch.optim.AdamW(model.head.parameters(), lr=settings["clutter"]["finetune"])
by_stage = []
for stage in progress(range(5), "stages"):
    optimizer = open_up(model, optimizer, stage)
    fit(
        model,
        cluttered,
        labels,
        steps=30,
        optimizer=optimizer,
        augment=glyphs.augment,
        seed=my_seed + stage,
        progress=False,
    )
    n = sum(p.numel() for p in model.parameters() if p.requires_grad)
    accuracy = evaluate(model, clutter_test, test.labels)
    by_stage.append({"stage": stage, "weights that train": f"{n:,}", "test accuracy": accuracy})
Table(by_stage)

# %% [markdown]
# The stages take effect one after the other. Whether the *order* helps is another question. On the
# plain digits, with the same steps in all, gradual unfreezing differs from training everything at
# once by {{ft.digits.2.gradual.over_one_rate}}: {{ft.digits.2.gradual.over_one_rate.verdict}}.
#
# ## 5 · The head first: `lp_ft`
#
# A new head is a guess. In the first steps of fine-tuning, the gradients that reach the backbone
# are those of a guess, and they move its features to please it: **feature distortion** (Kumar et
# al. 2022). On images like the training images it may pass unnoticed. On *other* images it shows.
#
# The remedy has two phases. **LP**: fit the head on frozen features, a linear probe. **FT**: then
# fine-tune everything from there, at a small rate, batch-norm held in eval mode.
#
# **Predict.** Train on upright digits, test on digits that are *turned and slanted*, as no training
# image was. Two labels per class. Frozen gives {{ft.shift.frozen.turned}} there. What does full
# fine-tuning give?

# %%
ledger.predict("turned digits, fine-tuned on upright ones", ..., "accuracy")

# %%
ledger.measured(
    "turned digits, fine-tuned on upright ones",
    *(shipped["ft.shift.finetune.turned"][end] for end in ("mean", "low", "high")),
)
turned = rotate_and_shear(test.images, torch.Generator().manual_seed(0))
plots.show(
    plots.image_grid(torch.cat([test.images[:8], turned[:8]])),
    caption="Top: test digits. Below: the same, turned by up to 40 degrees and slanted.",
    alt="Eight handwritten digits, and the same digits rotated and sheared.",
)
Table(
    {
        "": name,
        "as in training": shipped[f"ft.shift.{key}.clean"]["text"],
        "turned and slanted": shipped[f"ft.shift.{key}.turned"]["text"],
    }
    for name, key in (("frozen", "frozen"), ("fine-tuned", "finetune"), ("LP-FT", "lpft"))
)

# %% [markdown]
# The paired differences say it more sharply; compare the first two, at home and away. Fine-tuned
# minus frozen, on digits as in training:
# {{ft.shift.finetune.clean.over_frozen}}. On turned ones:
# {{ft.shift.finetune.turned.over_frozen}} ({{ft.shift.finetune.turned.over_frozen.verdict}}).
# LP-FT minus fine-tuned, on turned ones: {{ft.shift.lpft.turned.over_finetune}}
# ({{ft.shift.lpft.turned.over_finetune.verdict}}). LP-FT minus frozen there:
# {{ft.shift.lpft.turned.over_frozen}}.
#
# ### Exercise: `lp_ft`
#
# {{exercise lp_ft}}
#
# Two phases, two optimisers, two rates. Phase one has a rate of its own; `ft_lr` is for phase two.
# `extract_features` of module 01 is imported: use it.


# %% nbgrader={"grade_id": "lp_ft", "solution": true}
def lp_ft(model, images, labels, probe_steps, ft_steps, ft_lr):
    """Fit a new head on frozen features, then train everything from there; return the model.

    Phase one: features in eval mode, at most probe_steps steps of an optimiser or solver; near
    LogisticRegression(C=1) on the training images if there are some hundreds. Backbone and buffers
    unchanged, also by ft_steps = 0. Phase two: every parameter, ft_steps steps at ft_lr, from the
    fitted head; batch-norm stays in eval mode. The model comes back in the mode in which it came.
    Labels cover 0...K-1.
    """
    ### BEGIN SOLUTION
    features = extract_features(model, images)
    model.head = nn.Linear(features.shape[1], int(labels.max()) + 1).train(model.training)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=0.02)
    for _ in range(probe_steps):
        loss = F.cross_entropy(model.head(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    modes = [(part, part.training) for part in model.modules()]
    optimizer = torch.optim.Adam(model.parameters(), lr=ft_lr)
    model.train()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    for _ in range(ft_steps):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for part, training in modes:
        part.training = training
    return model
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-lp_ft"}
check("lp_ft")

# %% [markdown]
# ### The classic bug: the head reset between the phases
#
# ```diff
#   fit_head(model, features, labels)               # phase one
# - model.head = nn.Linear(128, 10)                 # "a fresh start for phase two"
#   fine_tune(model, images, labels, lr=small)      # phase two
# ```
#
# Then phase one was wasted, *and* the rate is too small for a new head. Yours, on one seed:

# %%
probe_then_tune = use("lp_ft")
images, labels = labelled(2)
ends = {}
for name, probe_steps in (("LP-FT", settings["probe_steps"]), ("no phase one", 0)):
    model = probe_then_tune(pretrained(), images, labels, probe_steps, 60, settings["lpft_rate"])
    ends[name] = {
        "as in training": evaluate(model, test.images, test.labels),
        "turned and slanted": evaluate(model, turned, test.labels),
    }
print("ten seeds, with distortions: the reset costs", shipped["bugs.head_reset.cost"]["text"])
Table({"": name} | accuracies for name, accuracies in ends.items())

# %% [markdown]
# ## 6 · What it forgets
#
# The backbone you fine-tuned is the one that could tell a thousand printed characters apart. Can it
# still? We make a head for the 998 characters from the *pretrained* features and test it in two
# fonts it never saw. Then we put the same head on the fine-tuned backbone. (The head of the
# pretraining is not shipped. This one is the nearest class mean of module 00, by cosine.)
#
# **Predict.** After {{ft.forget.before.mean}} before: what is left after fine-tuning on fifty
# digits?

# %%
ledger.predict("printed characters, after fine-tuning on 50 digits", ..., "accuracy")

# %%
printed, unseen_fonts = glyphs.load("train"), glyphs.load("val")


def directions(backbone, images):
    """Features of length 1."""
    return F.normalize(extract_features(Classifier(backbone, 1), images), dim=1)


def old_head(backbone):
    """The mean direction of each of the 998 printed characters."""
    sums = torch.zeros(len(printed.classes), backbone.feature_dim)
    sums.index_add_(0, printed.labels, directions(backbone, printed.images))
    return F.normalize(sums, dim=1)


def old_task(backbone, head):
    """Accuracy of a head on the printed characters in unseen fonts."""
    nearest = (directions(backbone, unseen_fonts.images) @ head.T).argmax(dim=1)
    return float((nearest == unseen_fonts.labels).float().mean())


original = old_head(load_backbone())
memory = {
    "pretrained backbone": old_task(load_backbone(), original),
    "fine-tuned (part 1), the old head": old_task(tuned.backbone, original),
    "fine-tuned (part 1), a head made anew": old_task(tuned.backbone, old_head(tuned.backbone)),
}
ledger.measured(
    "printed characters, after fine-tuning on 50 digits",
    *(shipped["ft.forget.finetune"][end] for end in ("mean", "low", "high")),
)
print("shipped, fine-tuned on 50 digits:", shipped["ft.forget.finetune"]["text"])
print("shipped, LP-FT on 50 digits:     ", shipped["ft.forget.lpft"]["text"])
Table({"your seed": name, "printed characters": value} for name, value in memory.items())

# %% [markdown]
# This is called **forgetting**. Part of it is that the features *moved*, so that the old head reads
# them amiss; a head made anew recovers that part. What even a new head cannot recover is gone
# from the features ({{ft.forget.finetune.new_head}} over ten seeds). If anybody else uses the
# backbone, fine-tune a copy.
#
# ## 7 · The claim, tested
#
# *"Training the pretrained weights a little further on the target task beats freezing them."* Test
# it on the two targets of this module. Five seeds of your own; each gives both methods the same
# labels. LP-FT on the plain digits (two labels per class), fine-tuning on cluttered ones (five).

# %%
gains = {"plain digits, 20 labels": [], "cluttered digits, 50 labels": []}
for seed in progress(range(my_seed, my_seed + 5), "your five seeds"):
    images, labels = labelled(2, seed)
    probe = probe_then_tune(pretrained(seed), images, labels, settings["probe_steps"], 0, 0.0)
    both = probe_then_tune(
        pretrained(seed), images, labels, settings["probe_steps"], 40, settings["lpft_rate"]
    )
    gains["plain digits, 20 labels"].append(
        [evaluate(model, test.images, test.labels) for model in (both, probe)]
    )

    images, labels = labelled(5, seed)
    images = photo_background(images, "train", torch.Generator().manual_seed(seed))
    probe = probe_then_tune(pretrained(seed), images, labels, settings["probe_steps"], 0, 0.0)
    full = pretrained(seed)
    fit(
        full,
        images,
        labels,
        steps=40,
        lr=settings["clutter"]["finetune"],
        augment=glyphs.augment,
        seed=seed,
        progress=False,
    )
    gains["cluttered digits, 50 labels"].append(
        [evaluate(model, clutter_test, test.labels) for model in (full, probe)]
    )
effects = {name: paired_effect(*zip(*pairs, strict=True)) for name, pairs in gains.items()}
plots.show(
    plots.intervals(effects, "accuracy, trained minus frozen, your five seeds", reference=0),
    caption="The same claim on two targets. It is about the target as much as about the method.",
    alt="; ".join(
        f"{name}: {mean:+.3f}, from {low:+.3f} to {high:+.3f}"
        for name, (mean, low, high) in effects.items()
    ),
)

# %%
claims.record(
    "fine_tuning",
    *effects["plain digits, 20 labels"],
    note="LP-FT - frozen, 20 labelled digits, seeds "
    f"{my_seed} to {my_seed + 4}; on clutter {{:+.3f}} [{{:+.3f}}, {{:+.3f}}]".format(
        *effects["cluttered digits, 50 labels"]
    ),
)
claims.board()

# %% [markdown]
# Which one, then? What this module measured, as a rule of thumb to be tested on your own target:
#
# - few labels, a target that looks like the source: **frozen**, or LP-FT at a small rate;
# - a target that looks different: **fine-tune**, all of it, and do not hold the first layers back;
# - use under other conditions than in training: **LP-FT**, or frozen; measure there.
#
# ## On real photographs
#
# Ants and bees again, twenty photographs of each, MobileNetV2 from ImageNet: the probe, and LP-FT
# with a handful of steps. The cell says in one sentence what to do if data or weights are missing.

# %%
try:
    network = imagenet()
    train, held_back = photos.load("train", 96), photos.load("val", 96)
except CourseError as missing:
    print(missing)
else:
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    support, _ = k_shot_split(train.labels, 20, my_seed)
    images, labels = (train.images[support] - mean) / std, train.labels[support]
    test_x = (held_back.images - mean) / std
    for name, steps in (("frozen", 0), ("LP-FT, 5 steps", 5)):
        model = probe_then_tune(copy.deepcopy(network), images, labels, 100, steps, 1e-5)
        print(f"{name}: {evaluate(model, test_x, held_back.labels, batch_size=51):.3f}")

# %% [markdown]
# One seed, 153 photographs: a difference of a few points means nothing yet. You know what to do
# about that.
#
# ## A question to think about
#
# On clutter fine-tuning gains a lot over frozen; on plain digits with few labels, little or
# nothing. It is the same backbone. **In at most 80 words: why?** Say which layers
# have to change in each case, and what that has to do with the number of labels.
#
# <details><summary>One possible answer</summary>
#
# On plain digits the frozen features already separate the classes; what is missing is the head, and
# few labels suffice for 1,290 weights. Tuning 300,000 more can only fit accidents of twenty images.
# On clutter the first filters answer to the background, so no head can help: frozen stays at
# {{ft.clutter.frozen.mean}}. The early layers must change. Fifty labels, distorted anew in each
# step, start from good weights and reach {{ft.clutter.finetune.mean}}.
#
# </details>
#
# ## Where to read on
#
# - Howard and Ruder (2018), *Universal Language Model Fine-tuning for Text Classification*:
#   discriminative rates and gradual unfreezing.
# - Kumar, Raghunathan, Jones, Ma and Liang (2022), *Fine-Tuning can Distort Pretrained Features and
#   Underperform Out-of-Distribution*: LP-FT.
# - Kornblith, Shlens and Le (2019), *Do Better ImageNet Models Transfer Better?*: frozen against
#   fine-tuned on twelve targets.
# - Yosinski, Clune, Bengio and Lipson (2014), *How transferable are features in deep neural
#   networks?*: which layers are general; module 03 repeats it in small.
