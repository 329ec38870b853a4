# %% [markdown]
# # 00 · Start here: honest evidence
#
# In about 75 minutes you will
#
# - see a small network read alphabets it has never met, from one example of each letter;
# - know the words *source task*, *target task*, *backbone* and *head*;
# - write three short functions that keep you from fooling yourself: `evaluate`, `k_shot_split` and
#   `paired_effect`;
# - use them to put your own number, with an interval and a verdict, beside a famous claim.
#
# You need Python, some PyTorch, and the idea of training and test data. Everything runs on this
# computer, without a graphics card and without the internet.
#
# | part | minutes |
# |---|---|
# | 1 · Ten seconds · 2 · What just happened | 10 |
# | 3 · A refresher: logits, modes, buffers, `.grad` | 10 |
# | 4 · How notebooks and checks work, with a warm-up | 8 |
# | 5 · `evaluate` · 6 · `k_shot_split` · 7 · `paired_effect` | 35 |
# | 8 · The first honest comparison, and the end | 12 |
#
# Click into the first grey cell and press **Shift + Enter**. It loads PyTorch, which takes a few
# seconds.

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
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from threadpoolctl import threadpool_limits
from torch import nn

from course_lib import check, hint, plots, use
from course_lib.data import digits, glyphs, photos
from course_lib.errors import CourseError
from course_lib.evidence import claims, ledger
from course_lib.evidence.intervals import mean_interval
from course_lib.evidence.notes import Table
from course_lib.models.weights import imagenet, load_backbone
from course_lib.transfer.features import extract_features
from course_lib.transfer.train import fit

threadpool_limits(1)  # PyTorch and scikit-learn: work this small gains nothing from more threads
print(f"PyTorch {torch.__version__}, course {course_lib.__version__}: ready.")

# %% [markdown]
# ## 1 · Ten seconds
#
# Here are twenty letters of an alphabet that you probably cannot read. One printed example of each
# is all that the computer gets. Then it is shown the same letters in other fonts, bent and blurred
# as if by hand. Which is which?

# %%
script = "Georgian"  # then try "Armenian", "Hebrew", "Lao", "N'Ko" or "Tifinagh"
draw = torch.Generator().manual_seed(5)  # another number: other letters, other distortions

letters = glyphs.load("held_out", scripts=[script])
chosen = torch.randperm(len(letters.classes), generator=draw)[:20]
printed, others = [], []
for letter in chosen:
    fonts = (letters.labels == letter).nonzero().flatten()
    printed.append(fonts[0])
    others.append(fonts[1:][torch.randint(len(fonts) - 1, (10,), generator=draw)])
support = letters.images[torch.stack(printed)]  # one example of each letter
query = letters.images[torch.stack(others, dim=1).flatten()]  # ten of each, in other fonts
query = glyphs.augment(query, draw)
truth = torch.arange(20).repeat(10)


def closest(examples, queries):
    """For each query (Q, D), the row of examples (K, D) that points most nearly the same way."""
    return (F.normalize(queries, dim=1) @ F.normalize(examples, dim=1).T).argmax(dim=1)


backbone = load_backbone()
with torch.no_grad():
    read_as = closest(backbone(support), backbone(query))

right = int((read_as == truth).sum())
print(f"{script}: {right} of {len(truth)} letters read correctly; guessing gives about 10.")
plots.show(
    plots.episode(support, query[:20], read_as[:20], truth[:20]),
    caption="Top: the one example of each letter. Middle: what was shown. Bottom: what it was "
    "taken for. Look at the crosses: would you have got them right?",
    alt=f"Twenty {script} letters, a distorted version of each, and the letter it was taken for: "
    f"{int((read_as == truth)[:20].sum())} of these 20 are right.",
)

# %% [markdown]
# The network that did this was trained on printed Latin, Greek, Cyrillic and other letters and
# symbols. It has seen no letter of this script, in any font. It was not trained further either:
# nothing was learned in the cell above.
#
# **Is that impressive?** Not yet. Perhaps the task is easy, and any way of comparing two pictures
# would do. Wonder is no evidence: it needs something to compare with.
#
# **Predict.** We leave out the network and compare the pictures pixel by pixel, with the same
# examples, the same queries and the same rule. How many of the 200 will be right? Decide on a
# number, then run.

# %%
read_as = closest(support.flatten(1), query.flatten(1))

right = int((read_as == truth).sum())
print(f"{script}, pixels only: {right} of {len(truth)} letters read correctly.")
plots.show(
    plots.episode(support, query[:20], read_as[:20], truth[:20]),
    caption="The same letters, compared as plain pixels. A shifted or thicker stroke is enough to "
    "make another letter look closer.",
    alt=f"The same twenty {script} letters compared by pixels: "
    f"{int((read_as == truth)[:20].sum())} of these 20 are right.",
)

# %% [markdown]
# Two numbers, from one draw of letters; other letters give others. So here is a measurement over
# hundreds of draws from six scripts, in a harder version where the one example is distorted as well
# (mean, and 95 % interval over the draws). The network reads {{one_shot.held_out.backbone}} of the
# letters, pixels {{one_shot.held_out.pixels}}, and the same network with *random* weights
# {{one_shot.held_out.random}}. So the network's shape alone does not do it. What it learned on
# other alphabets does.
#
# Run the first cell with another script and another number, and see whether you believe that.
#
# ## 2 · What just happened
#
# That was **transfer learning**: what was learned on one task is used for another.
#
# - The **source task** has plenty of data. Here: telling apart about a thousand printed characters.
# - The **target task** is the one you care about, and has little. Here: one example per letter.
# - The **backbone** is the network without its last layer. It turns an image into a list of
#   numbers, its **features**. Ours gives 128 of them.
# - The **head** is what turns features into an answer for *one* task. The source head, with its
#   thousand outputs, was thrown away. Ours was a rule of one line: take the example whose features
#   point most nearly the same way.
#
# An introductory article on transfer learning will tell you about four **techniques** (use the
# features as they are; train on from the pretrained weights; adapt to a domain that looks
# different; learn from one or a few examples) and four **impacts** (less data, better results,
# faster training, reach into new fields). Here are its eight claims, in our words:

# %%
claims.board()

# %% [markdown]
# This table is the spine of the course: the first column says which module puts a claim to the
# test. You predict, you measure, and you put *your own* number, interval and verdict beside it.
# Some claims will hold. Some will hold only under conditions that the article forgot. Before this
# module ends, one row has a first number of yours.
#
# ## 3 · A ten-minute refresher
#
# Four ideas of PyTorch come back in every module. If you know them, the predictions will be quick.
# For each cell: **predict first, then run.**
#
# ### Logits
#
# A classifier gives one score per class, a **logit**: any real number, larger means more likely.
# `softmax` turns logits into probabilities.
#
# **Predict.** Does `softmax` change which class wins? And if somebody hands probabilities to
# `F.cross_entropy`, which expects logits, how small can the loss of a *perfect* ten-class model
# get?

# %%
logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.4, 3.0]])  # two images, three classes
probabilities = logits.softmax(dim=1)
print("winner by logits:       ", logits.argmax(dim=1).tolist())
print("winner by probabilities:", probabilities.argmax(dim=1).tolist())

certain_and_right = torch.eye(10)  # ten images, probability 1 on the right class
loss = F.cross_entropy(certain_and_right, torch.arange(10))
print(f"loss of a perfect model, probabilities taken for logits: {loss:.3f}")

# %% [markdown]
# The order stays, so you can count right answers from logits directly. The loss does not survive:
# `cross_entropy` applies its own softmax to what it gets, and a softmax of numbers between 0 and 1
# is never certain. The bug raises no error. The loss just stays high, however good the model is.
#
# ### Train mode and eval mode
#
# A module is in one of two modes. `model.train()` and `model.eval()` switch between them; neither
# trains nor evaluates anything. Two kinds of layers in this course behave differently in the two
# modes: **dropout** and **batch normalisation** (batch-norm).
#
# **Predict.** We ask the same layers about the same image twice; then once more, with other images
# beside it. In which mode do all answers agree?

# %%
layers = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5))
image, company, other_company = torch.rand(1, 4), torch.rand(7, 4), torch.rand(7, 4)
for mode in ("train", "eval"):
    layers.train(mode == "train")
    with torch.no_grad():
        first, again = (layers(torch.cat([image, company]))[0] for _ in range(2))
        elsewhere = layers(torch.cat([image, other_company]))[0]
    print(f"{mode:5} mode: first {first.numpy().round(2)}")
    print(f"            again {again.numpy().round(2)}")
    print(f"        elsewhere {elsewhere.numpy().round(2)}")

# %% [markdown]
# In train mode dropout deletes random entries and doubles the others, and batch-norm subtracts the
# mean *of this batch*: the answer about one image depends on luck and on its neighbours. In eval
# mode dropout does nothing and batch-norm uses the statistics it has stored. An answer in use, and
# every answer that is counted, belongs to eval mode.
#
# ### Parameters and buffers
#
# A module's state has two parts. **Parameters** get gradients and are moved by an optimiser.
# **Buffers** are kept and saved with the model, but no optimiser knows of them.
#
# **Predict.** The next cell has no loss, no gradient and no optimiser. Does anything in the module
# change?

# %%
norm = nn.BatchNorm2d(3)
print("parameters:", [name for name, _ in norm.named_parameters()])
print("buffers:   ", [name for name, _ in norm.named_buffers()])
before = norm.running_mean.clone()
with torch.no_grad():
    norm(torch.rand(16, 3, 8, 8))
print("running_mean moved by", (norm.running_mean - before).numpy().round(3))

# %% [markdown]
# It does. In train mode each forward pass of batch-norm moves its stored statistics, and `no_grad`
# has nothing to do with it. A new module is in train mode. Keep this in mind until module 01, where
# it makes "frozen" networks drift.
#
# ### `.grad`
#
# `backward()` computes gradients and puts them into `.grad`.
#
# **Predict.** The gradient of 3w is 3. What is in `w.grad` after calling `backward()` twice? And
# after we tell `w` that it needs no gradient any more?

# %%
w = torch.tensor(1.0, requires_grad=True)
for times in ("once", "twice"):
    (3 * w).backward()
    print(f"after backward, {times}: w.grad = {w.grad}")
w.requires_grad_(False)
print(f"after requires_grad_(False): w.grad = {w.grad}")

# %% [markdown]
# Gradients *add up* until somebody clears them (`optimizer.zero_grad()`). And `requires_grad` is a
# wish about the future: an old gradient stays where it is, and an optimiser that finds it will use
# it.
#
# ## 4 · How the notebooks and the checks work
#
# Every exercise is one function. You replace `raise NotImplementedError()` by your code, run the
# cell, and run the cell below it, which holds one line: `check("name")`. The check calls your
# function with fresh random inputs and says one of four things.
#
# | it says | which means |
# |---|---|
# | ○ not attempted | the stub is still there, or its cell was not run |
# | ✓ correct | every property the exercise asks for holds |
# | → not yet | one property does not hold: which, expected and seen, a likely cause, a next step |
# | ! your code raised | your error, and your own lines that led to it |
#
# - **Stuck?** `hint("name")` in a cell of your own gives a question, called again a pointer, and
#   called a third time nearly the solution. Hints cost nothing.
# - **In a hurry?** Leave an exercise blank. The cells below it call `use("name")`: that is your
#   function if its latest check was correct, and the library's if not, and it says which.
# - **Graded?** The checks here are the *visible* ones. They promise that a right function which
#   passes them passes the *hidden* tests, too. The hidden tests are the same judges, asking again
#   with other seeds, other shapes and hostile cases of the same contract; they ask for nothing that
#   the exercise does not state. Learning an answer by heart does not help: the inputs are new each
#   time.
# - **Restart** the kernel and run all cells before you hand in: the notebook must work from top to
#   bottom.
# - In a terminal, `course progress` shows what you have solved. What the course remembers stays on
#   your computer.
#
# Any right answer counts, in whatever form: a loop, one clever line, a library. Only calling the
# course's own solution of the same exercise is noticed.
#
# ### What every exercise may rely on
#
# This is the contract of the whole course. A stub repeats of it what it needs.
#
# | thing | is |
# |---|---|
# | images | float32 tensor (N, C, H, W), values in [0, 1] |
# | labels | int64 tensor (N,) |
# | a model | has `.backbone`, (N, C, H, W) → (N, D), and `.head`, a `Linear(D, K)` |
# | `model(x)` | is `head(backbone(x))`: logits, (N, K) |
# | `.backbone.blocks` | input to output; each parameter and buffer is in exactly one block |
# | what comes in | is not changed, unless the exercise says so |
# | modes | each submodule leaves in the mode in which it came; so does the gradient mode |
# | randomness | from your own generator, such as `torch.Generator().manual_seed(seed)` |
# | the global generator | is left alone, but for the first weights of a new layer |
# | returned vectors, indices | list, array or tensor |
# | returned numbers | float, or tensor without dimensions |
# | `low, high` | always a 95 % interval |
# | refusals | `ValueError` with a sentence that says what is wrong |
#
# ### Warm-up: count the right answers
#
# {{exercise n_correct}}
#
# An image counts as right if the largest of its logits stands at its label. How many are right?


# %% nbgrader={"grade_id": "n_correct", "solution": true}
def n_correct(logits, labels):
    """Return how many rows of logits (N, K) have their largest value at the label.

    labels (N,) holds integers 0…K-1. Ties do not occur.
    """
    ### BEGIN SOLUTION
    return int((logits.argmax(dim=1) == labels).sum())
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-n_correct"}
check("n_correct")

# %% [markdown]
# ## 5 · How good is this model?
#
# It sounds like the easiest question of all: show the model the test set and count. Here is a model
# to ask about. It has our backbone, dropout, and a head for ten classes. Its target task is real
# **handwritten digits**: 1,797 small scans, of which 1,000 are a pool for training and 797 are kept
# for testing. No digit was in the source task.

# %%
pool, test = digits.load("pool"), digits.load("test")
plots.show(
    plots.image_grid(test.images[:16], titles=[str(int(y)) for y in test.labels[:16]]),
    caption="The target task: digits written by people, with their labels.",
    alt="Sixteen handwritten digits, each with its label above it.",
)

torch.manual_seed(0)  # the new head's first weights
model = nn.Sequential(
    OrderedDict(backbone=load_backbone(), dropout=nn.Dropout(0.5), head=nn.Linear(128, 10))
)
pool_features = extract_features(model, pool.images)  # what the backbone makes of each image
head_only = nn.Sequential(model.dropout, model.head)
fit(head_only, pool_features, pool.labels, steps=300, lr=1e-2)
print(f"Trained the head on {len(pool.labels)} digits; the backbone is as it was.")

# %% [markdown]
# (Why the backbone runs only once, and why that is so fast, is module 01.)
#
# **Predict.** Suppose we forget `model.eval()`. The test set is the same, the weights are the same.
# We ask in batches of 16, and the test images are sorted by class, as files in folders are. What
# accuracy will we report? Replace the `...` by your number, between 0 and 1. It goes into your
# **prediction ledger**, beside what is measured; until then you may change it, afterwards not.

# %%
ledger.predict("train mode, batches of 16, sorted by class", ..., "accuracy")

# %% [markdown]
# ### Exercise: `evaluate`
#
# {{exercise evaluate}}
#
# Write the function that every later number in this course goes through. In words: eval mode, no
# graph, batch by batch, right answers over *all* images, and the model leaves as it came.
#
# Three things to think of. The last batch may be smaller. A model in train mode must be in train
# mode afterwards, and so must each of its parts. And no images at all is not an accuracy of zero.


# %% nbgrader={"grade_id": "evaluate", "solution": true}
def evaluate(model, images, labels, batch_size=256):
    """Return the accuracy of a model on images (N, C, H, W): right answers over N, in [0, 1].

    Asks in eval mode and keeps no graph; N need not be a multiple of batch_size. Afterwards
    every submodule is in the mode in which it came, parameters and buffers are unchanged.
    N = 0 is a ValueError with a sentence.
    """
    ### BEGIN SOLUTION
    if len(images) == 0:
        raise ValueError("There are no images, and so there is no accuracy.")
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            right += int((model(x).argmax(dim=1) == y).sum())
    for module, training in modes:
        module.training = training
    return right / len(images)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-evaluate"}
check("evaluate")

# %% [markdown]
# ### The first classic bug: train mode left on
#
# The difference is one line (minus is the bug, plus is what mends it; so in the whole course):
#
# ```diff
# - # model.eval()   forgotten
# + model.eval()
# ```
#
# Now we measure what it costs: with test images as they come and sorted by class, in one large
# batch and in small ones. To save time we ask about every fourth test digit, 200 of them. Dropout
# makes the result random, so each is run three times.

# %%
accuracy_of = use("evaluate")


def accuracy_without_eval(model, images, labels, batch_size):
    """The bug: count right answers in train mode. Works on a copy, to spare the model."""
    forgetful = copy.deepcopy(model).train()
    with torch.no_grad():
        logits = torch.cat([forgetful(x) for x in images.split(batch_size)])
    return int((logits.argmax(dim=1) == labels).sum()) / len(labels)


some_images, some_labels = test.images[::4], test.labels[::4]
by_class = some_labels.argsort()
truth = accuracy_of(model, some_images, some_labels)
accuracies = {"eval mode": (truth, truth, truth)}
for name, order, batch_size in (
    ("train mode, one batch of 200", torch.arange(200), 200),
    ("train mode, batches of 16", torch.arange(200), 16),
    ("train mode, batches of 16, sorted by class", by_class, 16),
):
    images, labels = some_images[order], some_labels[order]
    runs = [accuracy_without_eval(model, images, labels, batch_size) for _ in range(3)]
    accuracies[name] = mean_interval(runs)
ledger.measured("train mode, batches of 16, sorted by class", *accuracies[name])

plots.show(
    plots.intervals(accuracies, "accuracy on the same 200 digits"),
    caption="One model, the same digits, four numbers. Only the first is the model's accuracy.",
    alt="Accuracies: "
    + "; ".join(f"{name} {mean:.3f}" for name, (mean, _, _) in accuracies.items()),
)

# %% [markdown]
# Compare the last number with your prediction. In a batch of sixteen sevens, batch-norm subtracts
# what the sevens have in common: the very thing that makes them sevens. And there is a second cost,
# which no accuracy shows: the forgotten line also lets the test images move the model's stored
# statistics. After such an "evaluation" it is another model.
#
# (With all 797 digits nearly every batch holds one digit only. There the forgotten line cost
# {{bugs.train_mode.cost}}, over ten heads of ours.)
#
# ### The second classic bug: the mean of the batches
#
# ```diff
# - sum(batch_accuracies) / len(batch_accuracies)
# + right / len(images)
# ```
#
# **Predict.** The test set has 797 images. With `batch_size=796`, how much does the last image
# count?

# %%
with torch.no_grad():
    hits = (model.eval()(test.images).argmax(dim=1) == test.labels).float()
Table(
    {
        "batch_size": size,
        "images in the last batch": len(hits.split(size)[-1]),
        "mean of batch accuracies": f"{np.mean([batch.mean() for batch in hits.split(size)]):.4f}",
        "accuracy": f"{hits.mean():.4f}",
    }
    for size in (256, 199, 100, 796)
)

# %% [markdown]
# The right column does not care how the images were cut. The middle one does, because an image in a
# small last batch counts for more; in the last row a single image is half the number. It looks
# harmless as long as the batches are nearly equal, and that is why it survives in so much code.
#
# ## 6 · Which examples get a label?
#
# Labels cost money. Suppose you can pay for twenty of the thousand digits in the pool. The obvious
# way is to pick twenty at random.
#
# **Predict.** Twenty random digits, ten classes. How many of the ten classes will not occur at all,
# on average?

# %%
ledger.predict("classes that 20 random digits miss", ..., "classes")

# %% [markdown]
# ### Exercise: `k_shot_split`
#
# {{exercise k_shot_split}}
#
# The field's answer is the **support set**: exactly `n_shot` examples of *every* class, drawn at
# random within the class. (A random draw in which every class gets its share is called
# **stratified**.) Everything else is the **rest**.
#
# Labels need not be 0, 1, 2, …: there may be gaps. The same seed must give the same split, on any
# day and in any program; so the randomness comes from a generator of your own.


# %% nbgrader={"grade_id": "k_shot_split", "solution": true}
def k_shot_split(labels, n_shot, seed):
    """Return the indices into labels (N,) of the support set, and those of the rest.

    The support set has exactly n_shot of every class in labels (any integers, gaps allowed),
    drawn at random by the seed alone; other seeds draw others. No index is on both sides, each is
    on one; the rest may be empty. A class with fewer than n_shot is a ValueError with a sentence.
    """
    ### BEGIN SOLUTION
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    support, rest = [], []
    for label in labels.unique():
        of_class = order[labels[order] == label]
        if len(of_class) < n_shot:
            raise ValueError(f"Class {label} has only {len(of_class)} of {n_shot} examples.")
        support.append(of_class[:n_shot])
        rest.append(of_class[n_shot:])
    return torch.cat(support), torch.cat(rest)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-k_shot_split"}
check("k_shot_split")

# %% [markdown]
# Here are both ways of choosing twenty, side by side.

# %%
split = use("k_shot_split")


def any_split(labels, n, seed):
    """The bug: n indices from the whole pool, whatever their classes."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return order[:n], order[n:]


for name, (chosen, _) in (
    ("two of each class", split(pool.labels, n_shot=2, seed=0)),
    ("any twenty", any_split(pool.labels, n=20, seed=0)),
):
    chosen = torch.as_tensor(chosen)
    chosen = chosen[pool.labels[chosen].argsort()]
    missing = sorted(set(range(10)) - set(pool.labels[chosen].tolist()))
    plots.show(
        plots.image_grid(pool.images[chosen], [str(int(y)) for y in pool.labels[chosen]], 10),
        caption=f"{name.capitalize()}. Missing: {', '.join(map(str, missing)) or 'none'}.",
        alt=f"Twenty digits, {name}, sorted by class; missing classes: {missing or 'none'}.",
    )

# %% [markdown]
# What does it cost? We need a quick classifier, and already have one. The **nearest centroid** rule
# is the rule from the first cell, except that a class is represented by the mean of its examples,
# its centroid. We give it the backbone's features, and both kinds of support set, ten times.

# %%
representations = {  # (pool, test) for each way to look at an image
    "pixels": (pool.images.flatten(1), test.images.flatten(1)),
    "backbone": (pool_features, extract_features(model, test.images)),
}


def nearest_centroid(examples, labels, queries):
    """Return for each query the class whose centroid points most nearly the same way."""
    classes = labels.unique()
    centroids = torch.stack([examples[labels == one].mean(dim=0) for one in classes])
    return classes[closest(centroids, queries)]


def accuracy_from(support, representation="backbone", rule=nearest_centroid):
    """Accuracy on the 797 test digits when only the pool's `support` has labels."""
    pool_x, test_x = representations[representation]
    predicted = rule(pool_x[support], pool.labels[support], test_x)
    return int((predicted == test.labels).sum()) / len(test.labels)


stratified, unstratified, n_missing = [], [], []
for seed in range(10):
    stratified.append(accuracy_from(split(pool.labels, 2, seed)[0]))
    chosen = any_split(pool.labels, 20, seed)[0]
    unstratified.append(accuracy_from(chosen))
    n_missing.append(10 - len(pool.labels[chosen].unique()))
ledger.measured("classes that 20 random digits miss", *mean_interval(n_missing))
print("classes missed by twenty random digits:", n_missing)
plots.show(
    plots.paired_dots(unstratified, stratified, ("any twenty", "two of each class")),
    caption="Each line is one seed. A class without a label is never predicted, and all its test "
    "images are lost.",
    alt=f"Test accuracy for ten seeds. Any twenty: {min(unstratified):.2f} to "
    f"{max(unstratified):.2f}. Two of each class: {min(stratified):.2f} to {max(stratified):.2f}.",
)

# %% [markdown]
# Each missing class costs about a tenth of the test set. And look at the spread: the random choice
# adds luck to every comparison you make later, and luck is what we fight in the next part.
#
# The classic bug, and what it cost in ten draws of ours ({{bugs.unstratified.cost}}):
#
# ```diff
# - support = draw(everything, n_shot * len(classes))
# + support = torch.cat([draw(of_class[k], n_shot) for k in classes])
# ```
#
# (When you *may not* choose by class, because nobody has looked at the labels yet, a random draw is
# all there is. Then report how many classes it missed.)
#
# ## 7 · Better, says who?
#
# You have been using the *direction* of the features: the cosine. A colleague prefers the plain
# Euclidean distance to the centroid. Which is better, with one label per class?
#
# **Predict.** Will the same one win on all ten splits?


# %%
def nearest_euclidean(examples, labels, queries):
    """The colleague's rule: the class whose centroid is least far away."""
    classes = labels.unique()
    centroids = torch.stack([examples[labels == one].mean(dim=0) for one in classes])
    return classes[torch.cdist(queries, centroids).argmin(dim=1)]


supports = [split(pool.labels, 1, seed)[0] for seed in range(10)]
cosine = [accuracy_from(support) for support in supports]
euclidean = [accuracy_from(support, rule=nearest_euclidean) for support in supports]
for seed, (a, b) in enumerate(zip(cosine, euclidean, strict=True)):
    print(f"seed {seed}: cosine {a:.3f}, Euclidean {b:.3f}, difference {a - b:+.3f}")

# %% [markdown]
# Two things stand out. The accuracies jump by many points from one seed to the next: some splits
# are lucky, some are not. And the difference between the rules is small; on some seeds it may even
# have the other sign. Whoever runs *one* seed reports whatever that seed says.
#
# The way out has three steps.
#
# 1. **Pair.** Both rules saw the same split, so the luck of the split is in both numbers. Take the
#    difference *on each seed*, and most of it cancels.
# 2. **Average** the differences. Their spread, divided by √S for S seeds, is the **standard
#    error**: how far the mean itself may be off. (The spread alone, the standard deviation, tells
#    how far a *single* run may be off.)
# 3. **Pay for small S.** A 95 % interval reaches some number of standard errors to each side. For
#    many seeds the number is 1.96. With five seeds the spread is itself a rough guess, and the
#    number must be larger: Student's t says 2.78, from `stats.t.ppf(0.975, df=S - 1)`.
#
# If the interval lies wholly above 0, `a` is ahead; wholly below, `b` is. If it holds 0, these
# seeds cannot tell, and that is what you say.
#
# ### Exercise: `paired_effect`
#
# {{exercise paired_effect}}
#
# The interval must be right with thirty seeds and with five.


# %% nbgrader={"grade_id": "paired_effect", "solution": true}
def paired_effect(a, b):
    """Return (mean, low, high): the mean of a - b over S seeds, and its 95 % interval.

    a and b hold one number per seed (list, array or tensor), in the same order of seeds. The
    interval must hold for five seeds too. Equal differences give zero width. Fewer than two seeds,
    or unequal lengths, are a ValueError with a sentence.
    """
    ### BEGIN SOLUTION
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"Pairs of at least two seeds are needed, not {len(a)} and {len(b)} runs.")
    difference = a - b
    standard_error = difference.std(ddof=1) / np.sqrt(len(difference))
    half_width = stats.t.ppf(0.975, df=len(difference) - 1) * standard_error
    mean = difference.mean()
    return mean, mean - half_width, mean + half_width
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-paired_effect"}
check("paired_effect")

# %% [markdown]
# ### Paired and unpaired
#
# Many papers print the mean of each method, ± its own spread, and leave it there. That throws the
# pairing away. Here are both intervals for the same twenty numbers.
#
# ```diff
# - spread = np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))
# + spread = np.std(a - b, ddof=1)
# ```

# %%
effect_of = use("paired_effect")


def unpaired_effect(a, b):
    """The bug: treat both lists as if they came from different splits."""
    a, b = np.asarray(a), np.asarray(b)
    standard_error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    half_width = stats.t.ppf(0.975, df=len(a) + len(b) - 2) * standard_error
    mean = a.mean() - b.mean()
    return mean, mean - half_width, mean + half_width


plots.show(
    plots.paired_dots(euclidean, cosine, ("Euclidean", "cosine")),
    caption="The same seeds joined by lines. Compare the slope of the lines with the spread of the "
    "dots.",
    alt=f"Ten pairs of accuracies; the difference cosine minus Euclidean goes from "
    f"{min(np.subtract(cosine, euclidean)):+.3f} to {max(np.subtract(cosine, euclidean)):+.3f}.",
)
effects = {
    "unpaired": unpaired_effect(cosine, euclidean),
    "paired": effect_of(cosine, euclidean),
}
plots.show(
    plots.intervals(effects, "cosine - Euclidean, accuracy", reference=0),
    caption="The same mean, two intervals. Does either of them exclude 0?",
    alt="; ".join(
        f"{name}: {mean:+.3f}, from {low:+.3f} to {high:+.3f}"
        for name, (mean, low, high) in effects.items()
    ),
)

# %% [markdown]
# The mean is the same. The paired interval is narrower, because the luck of the split is gone. It
# was the same experiment; only the
# arithmetic knows more. (In ten such studies of ours the unpaired interval was
# {{bugs.unpaired.width}} as wide as the paired one.)
#
# Now go back, change `range(10)` into `range(10, 20)`, and run the cells from there. Another ten
# seeds, another interval; sometimes also another verdict. If one study says *ahead* and the next
# one *cannot tell*, they do not contradict each other as long as their intervals overlap. What
# helps is more seeds: try a hundred.
#
# ### The classic bug: 1.96 with five seeds
#
# ```diff
# - half_width = 1.96 * standard_error
# + half_width = stats.t.ppf(0.975, df=S - 1) * standard_error
# ```
#
# An interval makes a promise: in 95 of 100 studies it holds the true value. A promise can be
# tested. We invent studies of which we know the truth, five seeds each, twenty thousand times, and
# count how often three usual recipes keep it: Student's t, the 1.96 of the normal distribution
# ("z"), and the percentile bootstrap, which draws seeds again with replacement.
#
# **Predict.** What share of the z intervals holds the truth?

# %%
ledger.predict("z intervals at five seeds that hold the truth", ..., "share of intervals")

# %%
random = np.random.default_rng()
differences = random.normal(loc=0.0, scale=1.0, size=(20_000, 5))  # the true effect is 0
means = differences.mean(axis=1)
standard_errors = differences.std(axis=1, ddof=1) / np.sqrt(5)
holds = {
    "Student's t": abs(means) <= stats.t.ppf(0.975, df=4) * standard_errors,
    "z (1.96)": abs(means) <= 1.96 * standard_errors,
}
again = random.integers(5, size=(500, 5))  # 500 bootstrap draws of five seeds
low, high = np.percentile(differences[:2000, again].mean(axis=2), [2.5, 97.5], axis=1)
holds["bootstrap"] = (low <= 0) & (high >= 0)

coverage = {}
for name, kept in holds.items():
    share, error = kept.mean(), 1.96 * kept.std() / np.sqrt(len(kept))
    coverage[name] = (share, share - error, share + error)
ledger.measured("z intervals at five seeds that hold the truth", *coverage["z (1.96)"])
plots.show(
    plots.intervals(coverage, "share of the 95 % intervals that hold the truth", reference=0.95),
    caption="The dashed line is the promise. Which recipes keep it with five seeds? (For these "
    "shares themselves 1.96 is right: they come from thousands of studies.)",
    alt="; ".join(f"{name}: {share:.3f}" for name, (share, _, _) in coverage.items()),
)

# %% [markdown]
# In fifty thousand studies of ours t held the truth in {{coverage.t}}, z in {{coverage.z}} and the
# bootstrap in {{coverage.bootstrap}} of them. The z interval is only
# 1.96 / 2.78 = 0.71 times as wide as t's. It misses the truth more than twice as often as it says
# it does, and all that was wrong is one constant.
#
# ## 8 · The first honest comparison
#
# Now everything is at hand for a claim. The article says that with pretrained features *one
# labelled example per class is enough to recognise it*. "Enough" cannot be measured. This can:
#
# > On real handwriting, with one label per class, is nearest centroid on the backbone's features
# > more accurate than nearest centroid on pixels? By how much?
#
# The protocol, fixed before any number is seen: ten seeds; for each seed one `k_shot_split` of the
# pool, the same for both; accuracy on all 797 test digits; the paired difference with its 95 %
# interval. Above 0 speaks for the claim.
#
# **Predict** the difference in accuracy: 0.10 means ten points.

# %%
ledger.predict("backbone - pixels on digits, one label per class", ..., "difference in accuracy")

# %%
by_pixels = [accuracy_from(support, "pixels") for support in supports]
by_backbone = [accuracy_from(support, "backbone") for support in supports]
gain = effect_of(by_backbone, by_pixels)
ledger.measured("backbone - pixels on digits, one label per class", *gain)

plots.show(
    plots.paired_dots(by_pixels, by_backbone, ("pixels", "backbone")),
    caption="One label per class on real handwriting. Both ends of a line saw the same ten "
    "labelled digits.",
    alt=f"Accuracy over ten seeds: pixels {np.mean(by_pixels):.3f} on average, backbone "
    f"{np.mean(by_backbone):.3f}.",
)
plots.show(
    plots.intervals({"backbone - pixels": gain}, "gain in accuracy", reference=0),
    caption="The gain and its 95 % interval over ten seeds; the dashed line is no gain at all.",
    alt="Gain in accuracy {:+.3f}, from {:+.3f} to {:+.3f}.".format(*gain),
)

# %% [markdown]
# Put it on the record. The verdict follows from the interval alone: *supported* if it lies above 0,
# *contradicted* if below, else *undecided*.

# %%
verdict = claims.record(
    "one_shot",
    *gain,
    note="backbone - pixels, nearest centroid, 1 label per class, digits, 10 seeds",
)
print("One-shot claim, as tested here:", verdict)
claims.board()

# %% [markdown]
# (When we measured it, with ten splits of our own: backbone {{one_shot.digits.backbone}}, pixels
# {{one_shot.digits.pixels}}, the backbone with random weights {{one_shot.digits.random}}.)
#
# And your predictions, beside what came out. (If you left them blank, there is nothing to draw: go
# back, think of a number before you look, and keep the habit for the next module.)

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
# **What the interval does not cover.** It tells how the gain varies with the ten labelled digits.
# The backbone is one single pretraining run, the test set is one set of 797 digits, and probably
# the same people wrote pool and test, which may flatter both methods. And it compares with pixels,
# not with the best that can be done without transfer. An interval answers one question; say which.
#
# ## On real photographs
#
# The same comparison, one size larger: photographs of ants and bees, and a network trained on
# ImageNet, a million photographs of a thousand classes. One labelled photograph of each; chance is
# 50 %. The cell needs two downloads, and says in one sentence what to do if they are not here.

# %%
try:
    network = imagenet()
    train, val = photos.load("train", 192), photos.load("val", 192)  # pixels; saves time
except CourseError as missing:
    print(missing)
else:
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)  # ImageNet's, per colour
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    views = {
        "pixels": lambda images: images.flatten(1),
        "ImageNet features": lambda images: extract_features(
            network, (images - mean) / std, batch_size=32
        ),
    }
    # Ten splits, in each of them the indices of one ant and one bee.
    few = torch.cat([torch.as_tensor(split(train.labels, 1, seed)[0]) for seed in range(10)])
    accuracy = {}
    for name, view in views.items():
        examples, queries = view(train.images[few]), view(val.images)
        accuracy[name] = [
            (nearest_centroid(x, y, queries) == val.labels).float().mean().item()
            for x, y in zip(examples.split(2), train.labels[few].split(2), strict=True)
        ]
    plots.show(
        plots.paired_dots(*accuracy.values(), tuple(accuracy)),
        caption="Ants or bees, from one photograph of each, ten splits. The gain is "
        "{:+.2f} [{:+.2f}, {:+.2f}].".format(*effect_of(*reversed(accuracy.values()))),
        alt="; ".join(f"{name}: {np.mean(runs):.2f}" for name, runs in accuracy.items()),
    )

# %% [markdown]
# Keep a caveat in mind when it runs: *ant* and *bee* are among ImageNet's thousand classes. Source
# and target overlap, and the gain may well be smaller for something the source has never seen. Our
# own backbone, whose source holds no digit and no letter of the six scripts, was the stricter test.
#
# ## A question to write about
#
# A colleague reports: *"With ResNet-50 as it is we got 96.1 %, after fine-tuning 97.4 %.
# Fine-tuning is better."* Each number is one run, on 153 validation photographs, which were also
# used to choose the number of epochs.
#
# In at most 80 words: what would you want to know, or to see, before you believe it? Write your
# answer into the next cell (double-click), then open ours.

# %% [markdown]
# *Your answer, at most 80 words.*

# %% [markdown]
# <details><summary>A model answer</summary>
#
# The difference is two photographs out of 153. One run each says nothing about luck: I want several
# seeds, the same splits for both, and the paired difference with its 95 % interval. Choosing the
# best of many epochs makes a validation number optimistic, most for the method that chooses most;
# so I want the comparison on a test set used once. Until then: undecided.
#
# (How optimistic? In a simulation, the best of 25 checkpoints that are all right on
# {{best_of_many.true.mean}} of all photographs shows {{best_of_many.reported.mean}} on 153 of
# them.)
#
# </details>
#
# ## Where to read on
#
# - Pan and Yang 2010, *A Survey on Transfer Learning*: the vocabulary of source and target.
# - Yosinski et al. 2014, *How transferable are features in deep neural networks?*
# - Lake et al. 2015, *Human-level concept learning through probabilistic program induction*:
#   one-shot reading of alphabets, by people and by machines.
# - Bouthillier et al. 2021, *Accounting for Variance in Machine Learning Benchmarks*: where the
#   luck comes from, and how many seeds to run.
# - Student 1908, *The Probable Error of a Mean*: few measurements, honest intervals. He had beer to
#   brew.
#
# ## What comes next
#
# You have a way to know. The rest of the course uses it:
#
# | module | its question | needs |
# |---|---|---|
# | **01 Feature extraction** | Twenty labels and a laptop: is that enough? | 00 |
# | **02 Fine-tuning** | When is it worth training the backbone on, and how gently? | 01 |
# | **03 When transfer helps** | Less data, better, faster, elsewhere: which of it is true? | 02 |
# | **04 Domain adaptation** | The new images look different and have no labels. Now what? | 02 |
# | **05 Few-shot learning** | One example of each class: what can be done? | 01 |
# | *06 Beyond classification* | Does it help to find and outline things, too? | 02 |
# | *07 Parameter-efficient transfer* | How few weights need to move? | 02 |
# | **08 Capstone** | Your own problem: which method, and was your prediction right? | 03, 04, 05 |
#
# The two in *italics* are optional. Next comes **01**, where you open the backbone: what its
# filters see, what its features are, how to put a head on it in seconds, and why "frozen" networks
# move.
