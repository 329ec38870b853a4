# %% [markdown]
# # 07 · Parameter-efficient transfer
#
# Ten customers, ten tasks, one pretrained backbone. Fine-tuning (module 02) makes ten networks of
# it, each a full copy, and each has forgotten what the first one knew. **Must ten tasks cost ten
# networks?**
#
# This module goes beyond the article that the course fact-checks: no claim of it is tested here.
# The methods come from the years when one copy of a network grew too large for one computer. They
# train **few new weights and keep all old ones**.
#
# In about 75 minutes you will
#
# - see that an update of thousands of numbers may need only a few directions;
# - build the layer that uses this, LoRA (`LoRALinear`);
# - fold what it has learned into the old layer, and take it out again (`merge`);
# - give it to a whole model, with everything else really frozen (`apply_lora`);
# - measure what accuracy, disk space and forgetting each number that trains will buy.
#
# | part | minutes |
# |---|---|
# | 1 · The bill | 6 |
# | 2 · How many directions does an update need? | 8 |
# | 3 · `LoRALinear` | 20 |
# | 4 · `merge` | 12 |
# | 5 · `apply_lora`, and seven readers in one | 20 |
# | 6 · Convolutions: accuracy against numbers that train | 10 |
# | Real photographs, and a question to think about | 6 |

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
from statistics import median
from time import perf_counter

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from threadpoolctl import threadpool_limits
from torch import nn
from tqdm import tqdm

from course_lib import check, hint, plots, use
from course_lib.data import digits, glyphs, photos
from course_lib.data.shifts import photo_background
from course_lib.errors import CourseError
from course_lib.evidence import ledger, results
from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.intervals import mean_interval
from course_lib.evidence.notes import Table
from course_lib.evidence.splits import k_shot_split
from course_lib.models.convnet import Classifier
from course_lib.models.mlp import MLP
from course_lib.models.weights import imagenet, load_backbone
from course_lib.peft import lora
from course_lib.peft.adapters import apply_adapters
from course_lib.peft.layers import n_trainable, swap, train_only
from course_lib.transfer.features import extract_features
from course_lib.transfer.freeze import freeze
from course_lib.transfer.train import fit

threadpool_limits(1)  # PyTorch and scikit-learn: work this small gains nothing from more threads
progress = partial(tqdm, leave=False, delay=3, file=sys.stdout)  # a bar for what takes longer
print(f"PyTorch {torch.__version__}, course {course_lib.__version__}: ready.")

# %% [markdown]
# ## 1 · The bill
#
# **Predict.** On digits in front of photographs, with 20 labels per class, full fine-tuning trains
# all of the network's 303,866 numbers. What share of them must train to come within three points of
# its accuracy? Replace `...` by a number between 0 and 1.

# %%
ledger.predict("share of numbers that must train", ..., "share of the network")

# %% [markdown]
# What could train? The **head** alone, as in module 01. The head and all **biases** (BitFit, Ben
# Zaken et al. 2022). The head and the **scales and shifts of batch-norm**. Or everything. Here is
# what ten tasks would cost on disk: one backbone, and for each task what was trained; or, for full
# fine-tuning, ten whole networks.


# %%
def bytes_of(tensors):
    """The size of a file with these tensors."""
    return len(save({name: t.detach().contiguous() for name, t in tensors.items()}))


def trained_part(model):
    """What a task has to store: the tensors that train."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def bill(names):
    """A row for each method: what trains, and what ten tasks cost."""
    whole = bytes_of(Classifier(load_backbone(), 10).state_dict())
    shared = bytes_of(load_backbone().state_dict())
    rows = Table()
    for name, prepare in names.items():
        model = Classifier(load_backbone(), 10)
        prepare(model)
        everything = name == "everything"
        ten = 10 * whole if everything else shared + 10 * bytes_of(trained_part(model))
        rows.append(
            {
                "trains": name,
                "numbers": f"{n_trainable(model):,}",
                "share": f"{n_trainable(model) / 303_866:.1%}",
                "ten tasks, kilobytes": f"{ten / 1000:,.0f}",
            }
        )
    return rows


selections = {
    "head": lambda model: train_only(model, lambda name, p: False),
    "head and biases": lambda model: train_only(model, lambda name, p: name.endswith("bias")),
    "head and batch-norm's scales and shifts": lambda m: train_only(m, lambda name, p: p.ndim == 1),
    "everything": lambda model: None,
}
bill(selections)

# %% [markdown]
# Between one percent and everything there is nothing yet. What we look for stands in that gap.
#
# ## 2 · How many directions does an update need?
#
# To look closely we need a network that is easy to look into: two **linear layers**, no
# convolution. Such a network must learn each pixel's meaning by itself. So it is helpless when the
# page is turned, and its backbone *must* change. We train it on 1,000 upright digits, and then
# fine-tune it on 100 digits that are turned by a quarter.

# %%
pool, test = digits.load("pool"), digits.load("test")
settings = results.settings("parameter_efficient")  # rates fixed beforehand, on other targets
shipped = results.numbers()
rates = settings["linear_rates"]

reader = Classifier(MLP(seed=0), n_classes=10)
fit(
    reader,
    pool.images,
    pool.labels,
    steps=settings["pretrain_steps"],
    lr=2e-3,
    augment=glyphs.augment,
)
reader.eval()
LAYERS = ["backbone.blocks.0.linear", "backbone.blocks.1.linear"]


def quarter(images):
    """Turn by 90 degrees."""
    return images.rot90(1, (2, 3))


def adapt(model, turn, method, seed=0, log_every=None):
    """Train what is trainable on 100 turned digits; return the history."""
    support, _ = k_shot_split(pool.labels, n_shot=10, seed=seed)
    return fit(
        model,
        turn(pool.images[support]),
        pool.labels[support],
        steps=settings["steps"],
        batch_size=100,
        lr=rates[method],
        log_every=log_every or settings["steps"],
        seed=seed,
        progress=False,
    )


def with_new_head(seed=0):
    """A copy of the reader's backbone, and a head that knows nothing yet."""
    return Classifier(copy.deepcopy(reader.backbone), 10, seed)


fine_tuned = with_new_head()
adapt(fine_tuned, quarter, "full")
turned_test = quarter(test.images)
plots.show(
    plots.image_grid(torch.cat([test.images[:8], turned_test[:8]])),
    caption=f"Upright digits are read with {evaluate(reader, test.images, test.labels):.0%}; the "
    f"same digits turned, with {evaluate(reader, turned_test, test.labels):.0%} before and "
    f"{evaluate(fine_tuned, turned_test, test.labels):.0%} after fine-tuning.",
    alt="Eight test digits, upright in the first row and turned by a quarter in the second.",
)

# %% [markdown]
# Fine-tuning has changed each weight matrix W into W + ΔW. The change ΔW of the first layer has
# 256 · 1,024 numbers. But how much is *in* it? The **singular value decomposition** writes ΔW as a
# sum of directions, the strongest first; the number of directions is called its **rank**. We keep
# only the r strongest of each layer, forget the others, and measure.
#
# **Predict.** At full rank (128 in the second layer) the accuracy is the one above. How many
# directions are needed to lose less than two points of it?

# %%
ledger.predict("directions for all but two points", ..., "rank")


# %%
def directions(name):
    """The old weight of a layer, and the directions of its update, the strongest first."""
    old, new = (model.get_submodule(name).weight.detach() for model in (reader, fine_tuned))
    return old, *torch.linalg.svd(new - old, full_matrices=False)


parts = {name: directions(name) for name in LAYERS}


def truncated(rank):
    """The fine-tuned reader, its two updates cut down to their strongest directions."""
    cut = copy.deepcopy(fine_tuned)
    for name, (old, u, s, v) in parts.items():
        cut.get_submodule(name).weight.data = old + u[:, :rank] * s[:rank] @ v[:rank]
    return cut


ranks = [1, 2, 4, 8, 16, 32, 64, 128]
by_rank = [evaluate(truncated(r), turned_test, test.labels) for r in ranks]
whole = evaluate(fine_tuned, turned_test, test.labels)
enough = next(r for r, accuracy in zip(ranks, by_rank, strict=True) if accuracy > whole - 0.02)
ledger.measured("directions for all but two points", enough)
ax = plots.learning_curves(
    ranks, {"fine-tuned, cut down": [(a, a, a) for a in by_rank]}, "directions kept in each update"
)
ax.axhline(whole, color="0.4", linestyle="--", linewidth=1)
ax.set_ylabel("accuracy on turned digits")
plots.show(
    ax,
    caption=f"One seed. Dashed: the whole update. {enough} directions of at most 128 keep all but "
    "two points.",
    alt="Accuracy by directions kept: "
    + ", ".join(f"{a:.2f} at {r}" for r, a in zip(ranks, by_rank, strict=True)),
)

# %% [markdown]
# An update of hundreds of thousands of numbers, and a few directions do its work. If so few are
# enough *afterwards*, why train all of them? That is the idea of **LoRA**, low-rank adaptation (Hu
# et al. 2021): write the update as a product of two thin matrices from the start,
#
# > ΔW = (alpha / rank) · B A, with A of shape (rank, in) and B of shape (out, rank),
#
# freeze W, and train only A and B.
#
# ## 3 · `LoRALinear`
#
# Three details decide whether it works.
#
# - **The start.** B A must be zero, so that training begins at the pretrained layer and not beside
#   it. But the gradient of A is multiplied by B, and that of B by A. With *both* at zero nothing
#   ever moves. So one is zero and the other random.
# - **The scale.** B A is a sum over `rank` terms. Dividing by the rank keeps the update's size when
#   you change it, so that a learning rate found at one rank fits at another.
# - **The base.** The given layer is frozen: if W trains as well, nothing is saved.
#
# ### Exercise: `LoRALinear`
#
# {{exercise LoRALinear}}
#
# A class this time. It takes an `nn.Linear` and stands in its place. The names inside are yours.


# %% nbgrader={"grade_id": "LoRALinear", "solution": true}
class LoRALinear(nn.Module):
    """W x + b + (alpha / rank) · B A x, for x (..., in), with the given linear frozen.

    Equals linear(x) at the start: exactly one factor is zero, the other random. Only the factors
    train, rank · in and rank · out numbers, in the weight's dtype and on its device; the gradient
    flows on to x. The bias may be None. A rank below 1 or above min(in, out) is a ValueError with a
    sentence.
    """

    def __init__(self, linear, rank, alpha):
        super().__init__()
        ### BEGIN SOLUTION
        if not 1 <= rank <= min(linear.in_features, linear.out_features):
            raise ValueError(f"The rank must lie between 1 and min(in, out); it is {rank}.")
        self.linear = freeze(linear)
        like = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        spread = linear.in_features**-0.5
        self.A = nn.Parameter(spread * torch.randn(rank, linear.in_features, **like))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, **like))
        self.scale = alpha / rank
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return self.linear(x) + self.scale * (x @ self.A.T @ self.B.T)
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-LoRALinear"}
check("LoRALinear")

# %% [markdown]
# To work. The reader of upright digits learns to read turned ones, with this layer in the place of
# its two linear layers, for three ranks. Beside it stand the head alone and full fine-tuning. The
# dots are the ten shipped seeds; the crosses are *your* seed.

# %%
my_seed = 11  # your own: any number from 10 upwards

Layer = use("LoRALinear")


def with_lora(rank, seed=0, alpha=settings["alpha"], layer=Layer):
    """The reader with a new head and an update of this rank beside each frozen linear layer."""
    model = with_new_head(seed)
    freeze(model.backbone)
    torch.manual_seed(seed)
    for block in model.backbone.blocks:
        block.linear = layer(block.linear, rank, alpha)
    return model


def only_head(seed=0):
    """The reader with a new head, its backbone frozen."""
    model = with_new_head(seed)
    freeze(model.backbone)
    return model


candidates = {
    "head": (only_head(my_seed), "head"),
    "LoRA, rank 1": (with_lora(1, my_seed), "lora"),
    "LoRA, rank 4": (with_lora(4, my_seed), "lora"),
    "LoRA, rank 16": (with_lora(16, my_seed), "lora"),
    "full": (with_new_head(my_seed), "full"),
}
keys = ["head", "lora.1", "lora.4", "lora.16", "full"]
mine, drawn = {}, {}
for (name, (model, method)), key in zip(candidates.items(), keys, strict=True):
    adapt(model, quarter, method, my_seed)
    mine[name] = evaluate(model, turned_test, test.labels)
    entry = shipped[f"peft.turned.{key}"]
    drawn[name] = n_trainable(model), (entry["mean"], entry["low"], entry["high"])
plots.show(
    plots.tradeoff(drawn, "numbers that train", mine),
    caption="Digits turned by a quarter, 10 labels per class. The backbone has to change; how much "
    "of it has to train?",
    alt="Your seed: " + "; ".join(f"{name} {accuracy:.2f}" for name, accuracy in mine.items()),
)

# %% [markdown]
# Over ten seeds the head alone reaches {{peft.turned.head}}, LoRA of rank 4
# {{peft.turned.lora.4}}, full fine-tuning {{peft.turned.full}}. Paired, the difference between rank
# 4 and the head is {{peft.turned.lora.4.over_head}}; between rank 4 and full fine-tuning it is
# {{peft.turned.lora.4.to_full}}.
#
# So LoRA closes most of the gap, and not all of it. More directions are not the answer: rank 16
# reaches {{peft.turned.lora.16}}. Part 2 said that few directions *hold* what fine-tuning found; it
# did not say that few directions *find* it as fast.
#
# ### The classic bug: both factors zero
#
# ```diff
# - self.A = nn.Parameter(torch.zeros(rank, linear.in_features))
# + self.A = nn.Parameter(torch.randn(rank, linear.in_features) / ...)
#   self.B = nn.Parameter(torch.zeros(linear.out_features, rank))
# ```
#
# **Predict** before you run: does the training loss fall?


# %%
def both_zero(linear, rank, alpha):
    """The bug, made on purpose: an update that can never leave zero."""
    module = Layer(linear, rank, alpha)
    for parameter in module.parameters():
        if parameter.requires_grad:
            nn.init.zeros_(parameter)
    return module


logs = {
    "one factor zero": adapt(with_lora(4), quarter, "lora", log_every=10),
    "both zero": adapt(with_lora(4, layer=both_zero), quarter, "lora", log_every=10),
}
ax = plots.learning_curves(
    [row["step"] for row in logs["both zero"]],
    {name: [[row["train_accuracy"]] * 3 for row in log] for name, log in logs.items()},
    "step",
)
ax.set_xscale("linear")
ax.set_xticks(range(0, settings["steps"] + 1, 50))
ax.set_ylabel("accuracy on the training digits")
plots.show(
    ax,
    caption="It learns! But only its head does. Nobody who watches the loss alone will see that "
    "the backbone stands still.",
    alt="Training accuracy rises with both; at the last step it is "
    + " and ".join(f"{log[-1]['train_accuracy']:.2f} with {name}" for name, log in logs.items()),
)

# %% [markdown]
# On our convolutional backbone (part 6) this bug costs {{bugs.both_zero.cost}}: what is left is the
# head.
#
# ### The classic bug: alpha where alpha / rank is meant
#
# ```diff
# - self.scale = alpha
# + self.scale = alpha / rank
# ```
#
# At rank 1 the two are the same, so nobody notices. Then somebody tries a larger rank with the
# learning rate that had been so good. Let us take *one* step of Adam at four ranks, and see how far
# the output of the first layer moves, relative to its size.


# %%
def first_step(rank, alpha):
    """How far one step of Adam moves the output of the first layer, relative to its size."""
    model = with_lora(rank, alpha=alpha)
    layer = model.backbone.blocks[0].linear
    x = quarter(pool.images[:200])
    before = layer(x.flatten(1)).detach()
    optimizer = torch.optim.Adam(trained_part(model).values(), lr=rates["lora"])
    F.cross_entropy(model(x), pool.labels[:200]).backward()
    optimizer.step()
    return ((layer(x.flatten(1)) - before).norm() / before.norm()).item()


Table(
    {
        "rank": rank,
        "alpha / rank": first_step(rank, 8),
        "alpha": first_step(rank, 8 * rank),  # a scale of 8 at every rank
    }
    for rank in (1, 4, 16, 64)
)

# %% [markdown]
# Dividing by the rank keeps the step from growing; with alpha alone it grows with every term. So
# the bug changes the effective learning rate, and only where the rank is not 1.
#
# What does that cost? We expected a loss, and measured: on our convolutional backbone, at rank 8
# and with the rate that was chosen at rank 4, the accuracy differs by {{bugs.alpha.cost}}
# ({{bugs.alpha.cost.verdict}}). Where the interval lies above zero, the "bug" was a lucky larger
# step: our alpha had been fixed beforehand, on other targets, and was on the small side for this
# one. Luck is not a method. With the division, the rank says how many directions there are and the
# rate how far a step goes; without it, nobody can tell which of the two has changed.
#
# ## 4 · `merge`
#
# While it trains, the layer does three multiplications where there was one. Afterwards this is not
# necessary: W x + scale · B A x = (W + scale · B A) x. **Merging** puts the update into the weight.
# Then the layer is an ordinary `nn.Linear`, as fast as ever.
#
# ### Exercise: `merge`
#
# {{exercise merge}}
#
# You get a `LoRALinear` of the *course* (not your own, whose names only you know): `.linear` is its
# `nn.Linear`, `.A` has shape (rank, in), `.B` (out, rank), and `.scale` is alpha / rank. To look at
# one, make one: `lora.LoRALinear(nn.Linear(3, 2), rank=1, alpha=2)`. Whoever merges a whole model
# meets plain layers as well, and layers that have been merged already: they come back as they are.


# %% nbgrader={"grade_id": "merge", "solution": true}
def merge(module):
    """Return exactly an nn.Linear that computes what the module does; the module may be used up.

    module is the course's LoRALinear (.linear, .A, .B, .scale) or a plain nn.Linear, which comes
    back unchanged, `requires_grad` too. The bias is kept, and None stays None.
    """
    ### BEGIN SOLUTION
    if isinstance(module, nn.Linear):
        return module
    with torch.no_grad():
        module.linear.weight += module.scale * module.B @ module.A
    return module.linear
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-merge"}
check("merge")

# %% [markdown]
# Same answers, fewer multiplications. We merge a trained reader, layer by layer, with your
# function, and take the time of a single digit, as in use. The pretrained layers are kept apart, so
# that we can go back.

# %%
merged_by = use("merge")

trained = with_lora(4, layer=lora.LoRALinear)
adapt(trained, quarter, "lora")
trained.eval()
merged = copy.deepcopy(trained)
for block in merged.backbone.blocks:
    block.linear = merged_by(block.linear)


def milliseconds(model, images, repeats=200):
    """The median time of a forward pass."""
    taken = []
    with torch.no_grad():
        for _ in range(repeats):
            start = perf_counter()
            model(images)
            taken.append(1000 * (perf_counter() - start))
    return median(taken)


with torch.no_grad():
    beside, inside = trained(turned_test), merged(turned_test)
print(f"largest difference of a logit: {(beside - inside).abs().max():.1e}")
print(f"of logits as large as:         {beside.abs().max():.1f}")
one = turned_test[:1]
slow, fast = milliseconds(trained, one), milliseconds(merged, one)
print(f"one digit: {slow:.3f} ms beside, {fast:.3f} ms merged, {slow / fast:.2f} times")

# %% [markdown]
# (Clocks are noisy. Over ten runs on another machine a single digit took
# {{peft.speed.linear_one}} as long with the update beside the layers as merged, and
# {{peft.speed.linear}} in batches of 256; for the convolutions of part 6 it was
# {{peft.speed.conv_one}} and {{peft.speed.conv}}.)
#
# ### The classic bug: merged twice
#
# ```diff
# - merged = linear.weight.data; merged += update;  new.weight.data = merged + update
# + new.weight.data = linear.weight.data + update
# ```
#
# A server loads the model and merges; a script that had saved it had merged already. Or an in-place
# `+=` is followed by the same sum once more. Every shape is right, and nothing complains. On the
# convolutional backbone it costs {{bugs.merged_twice.cost}}. This is why your function hands a
# plain layer back untouched.
#
# ### Unmerging
#
# Why not merge all and forget the rest? Because the update can be *taken away* only as long as it
# lies beside the layer. Subtracting it again is not the way back: sums of floats are rounded.

# %%
old = reader.get_submodule(LAYERS[0]).weight
layer = trained.backbone.blocks[0].linear
update = layer.scale * layer.B @ layer.A
there_and_back = (old + update) - update
print(f"added and subtracted: {(there_and_back != old).float().mean():.0%} of the weights differ")
with_updates = lora.switch_off(trained)  # the pretrained layers, put back at their places
print(
    "switched off, bit for bit as before:",
    torch.equal(trained.backbone.blocks[0].linear.weight, old),
)
swap(trained, with_updates)  # and on again

# %% [markdown]
# So the library's `merge_all(model)` leaves the old layers alone and returns them by name;
# `swap(model, layers)` puts layers at names. Unmerging computes nothing, so it loses nothing.
#
# ## 5 · `apply_lora`, and seven readers in one
#
# Nobody wants to put layers in by hand. A function should take a model and some names, and do
# everything: put LoRA in, freeze the rest, leave the head open, and say how many numbers train.
#
# "It is only a swap", people say. It is four steps, and their order matters. Two traps:
#
# - **Batch-norm.** Frozen means *held*, as in module 01: it computes with its pretrained statistics
#   after `train()` too. Otherwise the backbone drifts, and switching LoRA off does not lead back.
# - **Tied weights.** Two layers may share one tensor. If the head shares its weight with a layer of
#   the backbone, that weight trains, because the head does; and it is counted once.
#
# ### Exercise: `apply_lora`
#
# {{exercise apply_lora}}
#
# Use the course's `lora.LoRALinear`, or your own if it passed. `freeze` is there, too. The names
# are dotted, as `model.named_modules()` gives them; `model.get_submodule(name)` finds one.


# %% nbgrader={"grade_id": "apply_lora", "solution": true}
def apply_lora(model, rank, alpha, names):
    """Put LoRA at the named nn.Linear layers, in place; return (model, n_trainable).

    Only the factors and model.head train (also a weight that is tied to the head's). The rest is
    frozen as in module 01: no old gradient moves it, and batch-norm is held, also after train().
    n_trainable counts numbers, each tensor once. A name that is unknown or no nn.Linear, or a rank
    above a named layer's size, is a ValueError with nothing changed.
    """
    ### BEGIN SOLUTION
    modules = dict(model.named_modules())
    for name in names:
        layer = modules.get(name)
        if not isinstance(layer, nn.Linear):
            raise ValueError(f"There is no linear layer called {name!r}.")
        if rank > min(layer.weight.shape):
            raise ValueError(f"The rank {rank} is too large for {name!r}.")
    freeze(model)
    for name in names:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, lora.LoRALinear(modules[name], rank, alpha))
    for parameter in model.head.parameters():
        parameter.requires_grad = True
    return model, sum(p.numel() for p in model.parameters() if p.requires_grad)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-apply_lora"}
check("apply_lora")

# %% [markdown]
# Seven customers scan their pages in seven ways: turned by one, two or three quarters, mirrored, or
# both. One reader of upright digits, and for each customer a small **patch**: the factors and a
# head, trained on 100 digits. Then *one* model serves them all: before a page is read, its
# customer's patch is loaded.

# %%
adapted_by = use("apply_lora")

views = {
    f"{90 * turns}°{', mirrored' if mirrored else ''}": partial(
        lambda images, turns, mirrored: (images.flip(3) if mirrored else images).rot90(
            turns, (2, 3)
        ),
        turns=turns,
        mirrored=mirrored,
    )
    for mirrored in (False, True)
    for turns in range(4)
    if turns or mirrored
}
patches = {}
for seed, (view, turn) in enumerate(progress(views.items(), "customers")):
    torch.manual_seed(seed)
    model, n = adapted_by(with_new_head(seed), 4, settings["alpha"], LAYERS)
    adapt(model, turn, "lora", seed)
    patches[view] = {name: t.detach().clone() for name, t in trained_part(model).items()}

server, n = adapted_by(with_new_head(), 4, settings["alpha"], LAYERS)
rows = []
for view, turn in views.items():
    server.load_state_dict(patches[view], strict=False)  # the patch, and nothing else
    rows.append(
        {
            "view": view,
            "before": evaluate(reader, turn(test.images), test.labels),
            "with its patch": evaluate(server, turn(test.images), test.labels),
            "bytes of the patch": f"{bytes_of(patches[view]):,}",
        }
    )
print(f"{n:,} numbers train for each; one whole reader has {n_trainable(with_new_head()):,}.")
copies = 7 * bytes_of(reader.state_dict())
shelf = bytes_of(reader.state_dict()) + sum(map(bytes_of, patches.values()))
print(f"Seven copies: {copies:,} bytes. One reader and seven patches: {shelf:,} bytes.")
Table(rows)

# %% [markdown]
# And the reader of upright digits? It is still there, inside the server: its layers were frozen all
# the time.

# %%
frozen = [p for p in server.backbone.parameters() if not p.requires_grad]
unchanged = all(
    any(old.shape == now.shape and torch.equal(old, now) for now in frozen)
    for old in reader.backbone.parameters()
)
print("Every pretrained weight as before, bit for bit:", unchanged)

# %% [markdown]
# ### The classic bug: the rest left trainable
#
# ```diff
# + freeze(model)
#   for name in names:
#       put LoRALinear at name
# + model.head.requires_grad_(True)
# ```
#
# Without the two lines nothing complains. On our convolutional backbone the accuracy on the target
# even differs by {{bugs.rest_trains.gain}}: why not, when everything trains? But the patch is no
# patch. W has moved as well, so the factors beside the true backbone are another network. And with
# LoRA switched off the source is not what it was: {{bugs.rest_trains.cost}} in reading letters.
#
# ## 6 · Convolutions: accuracy against numbers that train
#
# Our backbone has no linear layer; it has ten convolutions. But a convolution is a linear layer
# that looks at patches: its weight (out, in, height, width) is a matrix of `out` rows and
# in · height · width columns. So A and B fit. The library's `lora.LoRAConv2d` and
# `lora.apply_lora_conv` do for convolutions what you have built for linear layers.
#
# The rivals are **adapters**. A *residual adapter* (Rebuffi et al. 2017) puts a 1 x 1 convolution
# behind each convolution and adds its output. A *bottleneck adapter* (Houlsby et al. 2019) puts a
# narrow layer with a ReLU there; because of the ReLU it cannot be merged. Both start at zero, for
# the same reason as B.
#
# The target: handwritten digits in front of photographs, 20 labels per class. The backbone has
# never seen a photograph. The shipped runs (eight seeds) and *your* seed, for three of the methods:

# %%
CONVS = [
    name
    for name, part in Classifier(load_backbone(), 10).named_modules()
    if isinstance(part, nn.Conv2d)
]
test_cluttered = photo_background(test.images, "test", torch.Generator().manual_seed(0))


def prepare(method, seed):
    """The pretrained backbone with a new head; what a method trains is trainable."""
    model = Classifier(load_backbone(), 10, seed)
    torch.manual_seed(seed)
    kind, _, rank = method.partition(".")
    if kind == "lora":
        lora.apply_lora_conv(model, int(rank), settings["alpha"], CONVS)
    elif kind == "bottleneck":
        apply_adapters(model, CONVS, settings["width"])
    elif kind == "adapter":
        apply_adapters(model, CONVS)
    elif kind in ("head", "biases", "batchnorm"):
        wanted = {
            "head": lambda name, p: False,
            "biases": lambda name, p: name.endswith("bias"),
            "batchnorm": lambda name, p: p.ndim == 1,
        }
        train_only(model, wanted[kind])
    return model


support, _ = k_shot_split(pool.labels, settings["n_shot"], my_seed)
cluttered = photo_background(pool.images[support], "train", torch.Generator().manual_seed(my_seed))
NAMES = {
    "head": "head",
    "biases": "biases (BitFit)",
    "batchnorm": "batch-norm",
    "lora.1": "LoRA, rank 1",
    "lora.2": "rank 2",
    "lora.4": "LoRA, rank 4",
    "lora.8": "rank 8",
    "bottleneck": "bottleneck",
    "adapter": "residual",
    "full": "full",
}
models, mine = {}, {}
for method in progress(("head", "lora.4", "full"), "methods"):
    models[method] = prepare(method, my_seed)
    fit(
        models[method],
        cluttered,
        pool.labels[support],
        steps=settings["steps"],
        batch_size=100,
        lr=settings["rates"][method.partition(".")[0]],
        hold_batchnorm=method != "full",
        log_every=settings["steps"],
        seed=my_seed,
        progress=False,
    )
    mine[NAMES[method]] = evaluate(models[method], test_cluttered, test.labels)

points = {}
for method, name in NAMES.items():
    entry = shipped[f"peft.cluttered.{method}"]
    cost = n_trainable(prepare(method, 0))
    points[name] = cost, (entry["mean"], entry["low"], entry["high"])
plots.show(
    plots.image_grid(test_cluttered[:8]),
    caption="The target: digits in front of pieces of photographs. Training and test use different "
    "halves of the photographs.",
    alt="Eight handwritten digits, each in front of another grey texture.",
)
plots.show(
    plots.tradeoff(points, "numbers that train", mine),
    caption="Digits on photographs. Each step to the right costs ten times as much; look where the "
    "curve becomes flat.",
    alt="; ".join(f"{name}: {mean:.2f}" for name, (_, (mean, _, _)) in points.items())
    + ". Your seed: "
    + "; ".join(f"{name} {accuracy:.2f}" for name, accuracy in mine.items()),
)

# %%
near = [
    cost / n_trainable(models["full"])
    for cost, (mean, _, _) in points.values()
    if mean > points[NAMES["full"]][1][0] - 0.03
]
ledger.measured("share of numbers that must train", min(near))
Table(
    {
        "trains": name,
        "numbers": f"{points[name][0]:,}",
        "on photographs": shipped[f"peft.cluttered.{method}"]["text"],
        "minus full": shipped.get(f"peft.cluttered.{method}.to_full", {}).get("text", ""),
        "clean digits": shipped[f"peft.clean.{method}"]["text"],
    }
    for method, name in NAMES.items()
)

# %% [markdown]
# Read the figure from the left. The head alone reads {{peft.cluttered.head}}: frozen features of
# clean characters do not see past a photograph. The scales and shifts of batch-norm, one percent of
# the network, bring that to {{peft.cluttered.batchnorm}}. LoRA of rank 4 is at
# {{peft.cluttered.lora.4}} with {{peft.share.lora.4.mean}} of the numbers: paired,
# {{peft.cluttered.lora.4.over_head}} above the head and {{peft.cluttered.lora.4.to_full}} from full
# fine-tuning. The narrow bottleneck adapters, with {{peft.share.bottleneck.mean}}, are
# {{peft.cluttered.bottleneck.to_full}} from it ({{peft.cluttered.bottleneck.to_full.verdict}}).
#
# On *clean* digits the same table is a lesson in restraint: the head alone reads
# {{peft.clean.head}}, LoRA of rank 4 {{peft.clean.lora.4}}, full fine-tuning {{peft.clean.full}}.
# Where the backbone need not change much, there is less for any of them to win.
#
# Three footnotes. Each family of methods got one rate, chosen on printed characters of other
# scripts in front of photographs; so LoRA's four ranks share one, and a rate tuned for each would
# move the dots. For biases and for batch-norm the largest of the four candidates won, so a still
# larger one might serve them better. And full fine-tuning lets batch-norm's statistics follow the
# photographs, while all others hold them; held, it reads {{peft.cluttered.full_held}}.
#
# ### Nothing is forgotten
#
# Module 02 showed what fine-tuning forgets. The source task was to read printed characters. Three
# backbones read letters in fonts they have never seen (nearest mean of the class): before any
# training; after it, with LoRA on; and with LoRA switched off.


# %%
SCRIPTS = settings["source_scripts"]
letters = {split: glyphs.load(split, scripts=SCRIPTS) for split in ("train", "val")}


def reads_letters(model):
    """Share of letters in two unseen fonts whose nearest class mean is the right one."""
    x, query = (F.normalize(extract_features(model, s.images), dim=1) for s in letters.values())
    labels = letters["train"].labels
    classes = labels.unique()
    means = F.normalize(torch.stack([x[labels == k].mean(dim=0) for k in classes]), dim=1)
    return (classes[(query @ means.T).argmax(dim=1)] == letters["val"].labels).float().mean().item()


source = Classifier(load_backbone(), 10)
letters_read = {"pretrained": reads_letters(source)}
letters_read["full fine-tuning"] = reads_letters(models["full"])
letters_read["LoRA on"] = reads_letters(models["lora.4"])
lora.switch_off(models["lora.4"])
letters_read["LoRA off"] = reads_letters(models["lora.4"])
same = torch.equal(
    extract_features(models["lora.4"], test.images), extract_features(source, test.images)
)
print("LoRA off: every feature as pretrained, bit for bit:", same)
Table({"backbone": name, "letters read": share} for name, share in letters_read.items())

# %% [markdown]
# (Over eight seeds: {{peft.source.before.mean}} pretrained, {{peft.source.full}} after full
# fine-tuning, {{peft.source.lora.on}} with LoRA on, and with LoRA off
# {{peft.source.lora.off.mean}} again.)
#
# With LoRA *on*, the network forgets as well; one that sees past photographs is another network.
# What is different is the way back. Full fine-tuning has overwritten the source. LoRA has left it
# where it was, under a switch.
#
# ### Ten tasks
#
# The bill of part 1, completed.

# %%
bill(
    selections
    | {
        f"head and LoRA, rank {rank}": partial(
            lora.apply_lora_conv, rank=rank, alpha=settings["alpha"], names=CONVS
        )
        for rank in (1, 4)
    }
    | {"head and residual adapters": partial(apply_adapters, names=CONVS)}
)

# %% [markdown]
# Ten tasks by LoRA of rank 4 need {{peft.smaller.lora.4}} less space than ten fine-tuned networks.
# The backbone is small here, and its share is paid once. The more tasks, the nearer the ratio comes
# to the share of numbers that train.
#
# ## On real photographs
#
# MobileNetV2 (module 01) on ants and bees, with 20 labelled photographs per class. Most of the
# network is frozen, so it runs *once*, and what enters its last block is kept. LoRA goes into the
# convolution of that block. The cell needs two downloads, and says in one sentence
# what to do if they are not here.

# %%
try:
    network = imagenet()
    train, held_back = photos.load("train", 161), photos.load("val", 161)
except CourseError as missing:
    print(missing)
else:
    MEAN, STD = (
        torch.tensor(values).view(3, 1, 1)
        for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    first, last = network.backbone.blocks[:18], network.backbone.blocks[18:]
    with torch.no_grad():
        maps = [
            torch.cat([first((x - MEAN) / STD) for x in split.images.split(32)])
            for split in (train, held_back)
        ]

    class LastBlock(nn.Module):
        """What is left of the backbone: from maps to features."""

        feature_dim = network.backbone.feature_dim

        def __init__(self):
            super().__init__()
            self.blocks = copy.deepcopy(last)

        def forward(self, x):
            return self.blocks(x).mean((2, 3))

    accuracies = {"head": [], "LoRA, rank 4": []}
    for seed in progress(range(3), "seeds"):
        paid, _ = k_shot_split(train.labels, n_shot=20, seed=seed)
        for name in accuracies:
            model = Classifier(LastBlock(), 2, seed)
            torch.manual_seed(seed)
            if name == "head":
                train_only(model, lambda name, p: False)
            else:
                lora.apply_lora_conv(model, 4, settings["alpha"], ["backbone.blocks.18.0"])
            fit(
                model,
                maps[0][paid],
                train.labels[paid],
                steps=40,
                lr=3e-3,
                log_every=40,
                seed=seed,
                progress=False,
            )
            accuracies[name].append(evaluate(model, maps[1], held_back.labels))
    plots.show(
        plots.intervals(
            {name: mean_interval(runs) for name, runs in accuracies.items()},
            "accuracy on 153 photographs, 20 labels per class",
        ),
        caption="Ants or bees, three draws of the labels, one rate that nobody tuned. ImageNet's "
        "classes include both, so a frozen backbone knows a lot: does an update help here?",
        alt="; ".join(f"{name}: {np.mean(runs):.3f}" for name, runs in accuracies.items()),
    )

# %% [markdown]
# ## A question to think about
#
# A company keeps one backbone and has 200 customers, each with some 200 labelled images. Some send
# clean scans, some send photographs of crumpled paper. **In at most 80 words: which of head only,
# LoRA and full fine-tuning would you offer, to whom, and what would you measure first?** Nobody
# grades this one. Write first, then open the answer.
#
# <details><summary>A model answer</summary>
#
# Two offers. Clean scans: the head alone, since there LoRA gains little
# ({{peft.clean.lora.4.over_head.mean}} here). Crumpled paper: LoRA of a small rank, since the
# backbone must change ({{peft.cluttered.lora.4.over_head.mean}}) and the backbone is shared: 200
# patches instead of 200 networks, and nobody's update touches another's. Full fine-tuning where the
# remaining gap ({{peft.cluttered.lora.4.to_full.mean}}) is worth a network. Decide per customer, on
# validation images of theirs, with an interval over several draws.
#
# </details>

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
# - Hu et al. 2021, *LoRA: Low-Rank Adaptation of Large Language Models*.
# - Aghajanyan, Gupta and Zettlemoyer 2021, *Intrinsic Dimensionality Explains the Effectiveness of
#   Language Model Fine-Tuning*: part 2, properly.
# - Rebuffi, Bilen and Vedaldi 2017, *Learning multiple visual domains with residual adapters*, and
#   Houlsby et al. 2019, *Parameter-Efficient Transfer Learning for NLP*.
# - Ben Zaken, Goldberg and Ravfogel 2022, *BitFit*; Frankle, Schwab and Morcos 2021, *Training
#   BatchNorm and Only BatchNorm*.
#
# ## What comes next
#
# You have a shelf of methods now. In **08 · Capstone** you get situations, choose one, write down
# what you expect, and measure it.
