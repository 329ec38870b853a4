# %% [markdown]
# # 01 · Feature extraction
#
# You have twenty labelled images, a laptop and an afternoon. **Is that enough?**
#
# Twenty images are two of each of ten classes. A network with 300,000 weights cannot learn to see
# from twenty images. But perhaps it need not: perhaps another task has taught it to see already,
# and all that is left to learn is which feature speaks for which class.
#
# In about 90 minutes (100 with the two parts that may be skipped) you will
#
# - watch a backbone begin to learn, and look inside one that has finished;
# - bring images into the form a pretrained network expects (`preprocess`);
# - run a backbone once and keep what comes out (`extract_features`), and know what that saves;
# - put a head on it, its one setting chosen honestly (`linear_probe`);
# - freeze a network so that nothing moves it any more (`freeze`), which is harder than it sounds;
# - answer the question above with your own numbers, beside three of the article's claims.
#
# | part | minutes |
# |---|---|
# | 1 · A taste of pretraining *(may be skipped)* | 5 |
# | 2 · Inside the backbone | 7 |
# | 3 · `preprocess` | 10 |
# | 4 · `extract_features`, and why once is enough | 16 |
# | 5 · `linear_probe` | 18 |
# | 6 · Is it enough? Three claims | 10 |
# | 7 · `freeze` | 24 |
# | On real photographs *(may be skipped)* | 4 |
# | A question to write about | 8 |

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
import json
import sys
from functools import partial
from time import perf_counter

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import clear_output
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import nn
from tqdm import tqdm

from course_lib import check, hint, plots, use
from course_lib.data import digits, glyphs, photos
from course_lib.errors import CourseError
from course_lib.evidence import claims, ledger, results
from course_lib.evidence.evaluate import evaluate, n_correct
from course_lib.evidence.intervals import mean_interval, paired_effect
from course_lib.evidence.notes import Table
from course_lib.evidence.splits import k_shot_split
from course_lib.models.convnet import Classifier, random_backbone
from course_lib.models.weights import SHIPPED, imagenet, load_backbone
from course_lib.transfer.features import cached_features
from course_lib.transfer.train import fit

threadpool_limits(1)  # PyTorch and scikit-learn: work this small gains nothing from more threads
progress = partial(tqdm, leave=False, delay=3, file=sys.stdout)  # a bar for what takes longer
print(f"PyTorch {torch.__version__}, course {course_lib.__version__}: ready.")

# %% [markdown]
# Here is the whole target task: twenty handwritten digits with labels, drawn from a pool of 1,000.
# Another 797 are kept for testing.

# %%
pool, test = digits.load("pool"), digits.load("test")
twenty, _ = k_shot_split(pool.labels, n_shot=2, seed=0)
twenty = twenty[pool.labels[twenty].argsort()]
plots.show(
    plots.image_grid(pool.images[twenty], [str(int(y)) for y in pool.labels[twenty]], columns=10),
    caption="Twenty labelled images. Would you learn ten classes of an alphabet of which these "
    "were the only letters you had ever seen?",
    alt="Two handwritten examples of each digit from 0 to 9, with their labels.",
)

# %% [markdown]
# **Predict.** Later in this module three classifiers get these twenty labels and nothing else. Each
# looks at an image in its own way: as plain pixels; through a network that was trained on *printed
# letters and symbols*, never on a digit; and through the same network with *random* weights. What
# accuracy will the last two reach on the test digits? Guessing gives 0.1. Replace each `...` by
# your number, between 0 and 1. As in module 00 it goes into your ledger.

# %%
ledger.predict("20 labels, pretrained backbone", ..., "accuracy")
ledger.predict("20 labels, random backbone", ..., "accuracy")

# %% [markdown]
# ## 1 · A taste of pretraining
#
# The **backbone** is the part of a network that turns an image into a list of numbers, its
# **features**. **Pretraining** teaches it on a **source task** that has plenty of data. Ours is to
# tell printed characters apart: every image is a glyph from one of this computer's fonts, turned,
# bent and blurred anew each time it is shown.
#
# The shipped backbone saw about a thousand characters for some minutes. You need not believe that
# it works: take the Greek letters alone, and watch the first 150 steps.
# (In a hurry? Set `TASTE = False`; everything below works without it.)

# %%
TASTE = True

greek = glyphs.load("train", scripts=["Greek"])
greek_unseen = glyphs.load("val", scripts=["Greek"])  # the same letters in two other fonts
plots.show(
    plots.image_grid(glyphs.augment(greek.images[::30][:16], torch.Generator().manual_seed(0))),
    caption="What the network sees in training: printed Greek letters, distorted as a hand would.",
    alt="Sixteen Greek letters, slanted, thickened, thinned and blurred.",
)

# %%
taste = Classifier(random_backbone(seed=0), n_classes=len(greek.classes))


def draw(history):
    """Show how far the training is."""
    clear_output(wait=True)
    now = history[-1]
    plots.show(
        plots.training_curves(history),
        caption=f"Step {now['step']} of 150. Validation: the same letters in two fonts that the "
        "training never shows, and not distorted, which makes them easier.",
        alt=f"After {now['step']} steps: loss {now['loss']:.2f}, accuracy in training "
        f"{now['train_accuracy']:.2f}, in unseen fonts {now['val_accuracy']:.2f}.",
    )


if TASTE:
    fit(
        taste,
        greek.images,
        greek.labels,
        steps=150,
        batch_size=64,
        lr=4e-3,
        augment=glyphs.augment,
        val=(greek_unseen.images, greek_unseen.labels),
        log_every=25,
        on_row=draw,
        progress=False,
    )

# %% [markdown]
# A blank network began to read Greek while you watched. In part 6 we shall ask whether *digits*
# profit from that, too.
#
# ## 2 · Inside the backbone
#
# From here on we use the shipped backbone: the same network, trained longer, on all the scripts. It
# is a chain of four **blocks**. Each
# halves the height and width of what it gets and has more **channels**, which are maps of numbers;
# at the end each channel is averaged over the whole image.

# %%
backbone = load_backbone()
model = Classifier(backbone, n_classes=10)  # a new head, not trained yet

rows, x = [], test.images[:1]
with torch.no_grad():
    for name, block in zip(("stem", "stage 1", "stage 2", "stage 3"), backbone.blocks, strict=True):
        rows.append((name, block, tuple(x.shape[1:]), tuple((x := block(x)).shape[1:])))
rows.append(("mean of each channel", nn.Identity(), tuple(x.shape[1:]), (128,)))
rows.append(("head", model.head, (128,), (10,)))
Table(
    {
        "part": name,
        "gets (C, H, W)": before,
        "gives": after,
        "weights": f"{sum(parameter.numel() for parameter in part.parameters()):,}",
    }
    for name, part, before, after in rows
)

# %% [markdown]
# Look at the last column. Nearly all the weights are in the backbone. The **head** is one linear
# layer from 128 features to ten logits, and has fewer than one in two hundred of the weights.
# **Feature extraction** means: keep the backbone as it is, and learn only the head.
#
# What do the first filters look for? A filter of the stem is a pattern of 3 by 3 numbers; it
# answers strongly where the image has that pattern.

# %%
plots.show(
    plots.filters(backbone.blocks[0][0].weight),
    caption="The sixteen filters of the stem. Purple counts for, orange against: look for pairs of "
    "opposite sides, which are detectors of edges in one direction.",
    alt="Sixteen patterns of 3 by 3 weights, several of them positive on one side and negative on "
    "the other.",
)
with torch.no_grad():
    digit = test.images[:1]
    maps = backbone.blocks[0](digit)[0]
    deeper = backbone.blocks[1](maps[None])[0][:16]
plots.show(
    plots.feature_maps(maps),
    caption=f"What these filters answer to one digit, a {int(test.labels[0])}: its feature maps. "
    "Each keeps another part of the stroke.",
    alt=f"Sixteen maps of a handwritten {int(test.labels[0])}; different edges of the stroke light "
    "up in different maps.",
)
plots.show(
    plots.feature_maps(deeper),
    caption="Sixteen of the 32 maps one block later: coarser, sparser, and harder to put into "
    "words.",
    alt="Sixteen maps of 8 by 8 values, most of them dark with a few bright spots.",
)

# %% [markdown]
# Nobody told the network to look for edges of strokes. It found that they help to tell printed
# characters apart. Handwritten digits are made of strokes, too; that is why there is hope.
#
# ## 3 · What the network expects: `preprocess`
#
# An image file holds **bytes**: whole numbers from 0 to 255. A pretrained network was trained on
# something else: on numbers in [0, 1], and often on **normalised** ones, from which each channel's
# mean was subtracted before dividing by its standard deviation. The two statistics belong to the
# *source data*; they come with the weights, like a plug with its voltage. For ImageNet's networks
# they are mean (0.485, 0.456, 0.406) and std (0.229, 0.224, 0.225) for red, green and blue. For our
# backbone they are 0 and 1, which leave [0, 1] as it is.
#
# The network does not complain about the wrong form. It computes features of *something*.
#
# **Predict.** A digit reader was built from clean white-on-black digits. In use it is fed scans of
# dark ink on white paper, and nobody inverts them. Given the right form it is nearly
# always right. What is its accuracy on these?

# %%
ledger.predict("dark on white in use, light on dark in training", ..., "accuracy")

# %% [markdown]
# ### Exercise: `preprocess`
#
# {{exercise preprocess}}
#
# Bytes in, network input out. The mean and std that you get are stated for [0, 1], one number per
# channel. Images that are floats already may have been scaled already; refuse them, rather than
# scale them twice. (Stuck? `hint("preprocess")` in a cell of your own; so for every exercise.)


# %% nbgrader={"grade_id": "preprocess", "solution": true}
def preprocess(images, mean, std):
    """Return float32 (N, C, H, W): uint8 images scaled to [0, 1], then normalised per channel.

    mean and std are float32 (C,), in units of [0, 1]. Nothing is resized. Images of a float dtype
    are a ValueError with a sentence.
    """
    ### BEGIN SOLUTION
    if images.dtype != torch.uint8:
        raise ValueError(f"Expected bytes (uint8), not {images.dtype}: are they scaled already?")
    scaled = images.float() / 255
    return (scaled - mean[:, None, None]) / std[:, None, None]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-preprocess"}
check("preprocess")

# %% [markdown]
# ### The classic bug: another form in use than in training
#
# ```diff
# - features = backbone(scans.float())
# + features = backbone(preprocess(scans, mean, std))
# ```
#
# Now we feed our backbone three wrong forms. To see what that costs, we need a quick classifier: it
# is the **nearest centroid** of module 00, with five labels per class, over five seeds. Each wrong
# form is tried twice: *everywhere*, in training and in use; and *only in use*, after training on
# the right form.

# %%
to_input = use("preprocess")

ZERO, ONE = torch.zeros(1), torch.ones(1)
GREY_MEAN, GREY_STD = torch.tensor([0.45]), torch.tensor([0.225])  # ImageNet's, about
forms = {
    "right": lambda scans: to_input(scans, ZERO, ONE),
    "bytes, not scaled": lambda scans: scans.float(),
    "ImageNet's mean and std": lambda scans: to_input(scans, GREY_MEAN, GREY_STD),
    "dark on white": lambda scans: to_input(255 - scans, ZERO, ONE),
}
pool_scans = (255 * pool.images).round().to(torch.uint8)  # as a file would hold them
test_scans = (255 * test.images).round().to(torch.uint8)


def centroid_accuracy(pool_x, test_x, n_shot, seed):
    """Test accuracy when each class is represented by the mean of its labelled examples."""
    support, _ = k_shot_split(pool.labels, n_shot, seed)
    x, y = pool_x[support], pool.labels[support]
    centroids = torch.stack([x[y == k].mean(dim=0) for k in range(10)])
    cosines = F.normalize(test_x, dim=1) @ F.normalize(centroids, dim=1).T
    return n_correct(cosines, test.labels) / len(test.labels)


with torch.no_grad():
    features = {
        name: (backbone(f(pool_scans)), backbone(f(test_scans))) for name, f in forms.items()
    }
costs = {}
for name, (pool_x, test_x) in features.items():
    for where, train_x in {"everywhere": pool_x, "only in use": features["right"][0]}.items():
        runs = [centroid_accuracy(train_x, test_x, 5, seed) for seed in range(5)]
        costs[name if name == "right" else f"{name}, {where}"] = mean_interval(runs)
ledger.measured(
    "dark on white in use, light on dark in training", *costs["dark on white, only in use"]
)
plots.show(
    plots.intervals(costs, "accuracy on handwritten digits, 5 labels per class"),
    caption="Compare each pair. A wrong form everywhere costs something; a wrong form in use alone "
    "can cost nearly everything.",
    alt="; ".join(f"{name}: {mean:.2f}" for name, (mean, _, _) in costs.items()),
)

# %% [markdown]
# No error, no warning, only worse numbers. (Over ten seeds of ours, dark on white in use alone cost
# {{bugs.input_form.cost}}, and unscaled bytes {{bugs.bytes.cost}}.)
#
# The pairs teach two things. A network that was never trained on a form gives poorer features for
# it. And features are only comparable if both sides were made in the same way; so *one* function
# makes them, and everybody calls that one.
#
# ## 4 · Run the backbone once: `extract_features`
#
# The features are what *enters* the head. Beginners often take what comes *out*: the logits of the
# old head, or its probabilities. These say which of the **old** classes an image looks like. The
# new task has other classes.
#
# ### Exercise: `extract_features`
#
# {{exercise extract_features}}
#
# Like `evaluate` in module 00, it goes through the images batch by batch and leaves the model as it
# came. Only what it keeps is different. How large a batch is may change the speed, never the
# result: the features of an image are its own affair.


# %% nbgrader={"grade_id": "extract_features", "solution": true}
def extract_features(model, images, batch_size=256):
    """Return what enters model.head for images (N, C, H, W): a tensor (N, D), row i of image i.

    In eval mode, detached from the graph, independent of batch_size (N need not be a multiple of
    it). Afterwards every submodule is in the mode in which it came; head and hooks are as before.
    """
    ### BEGIN SOLUTION
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    with torch.no_grad():
        features = torch.cat([model.backbone(batch) for batch in images.split(batch_size)])
    for module, training in modes:
        module.training = training
    return features
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-extract_features"}
check("extract_features")

# %% [markdown]
# What is *near* in feature space? For every test digit we take the most similar of our twenty
# labelled images, once by pixels and once by features. The picture shows eight of the digits for
# which only one of the two found the right class.

# %%
features_of = use("extract_features")
pool_features, test_features = features_of(model, pool.images), features_of(model, test.images)


def most_similar(queries, examples):
    """For each query (Q, D), the row of examples (K, D) that points most nearly the same way."""
    return (F.normalize(queries, dim=1) @ F.normalize(examples, dim=1).T).argmax(dim=1)


found = {
    "pixels": twenty[most_similar(test.images.flatten(1), pool.images[twenty].flatten(1))],
    "features": twenty[most_similar(test_features, pool_features[twenty])],
}
right = {name: pool.labels[nearest] == test.labels for name, nearest in found.items()}
disagree = (right["pixels"] != right["features"]).nonzero().flatten()
some = disagree[:: len(disagree) // 8][:8]
pictures, titles = [test.images[some]], [f"a {int(y)}" for y in test.labels[some]]
for name, nearest in found.items():
    pictures.append(pool.images[nearest[some]])
    titles += [f"{name} {'✓' if hit else '✗'}" for hit in right[name][some]]
plots.show(
    plots.image_grid(torch.cat(pictures), titles),
    caption="Top: test digits. Below: the most similar labelled image, by pixels and by features. "
    "Where pixels fail, much ink overlaps, but the strokes differ. Over all test digits pixels "
    f"are right for {right['pixels'].float().mean():.0%}, features for "
    f"{right['features'].float().mean():.0%}.",
    alt="Eight test digits and their most similar labelled images; right by pixels: "
    f"{int(right['pixels'][some].sum())}, by features: {int(right['features'][some].sum())}.",
)

# %% [markdown]
# ### The classic bug: the last layer is not the feature
#
# ```diff
# - features = model(images)
# + features = model.backbone(images)
# ```
#
# Suppose this backbone has been in use for digits 0 to 4, with a head for these five. Now we need
# all ten. What do we lose if we build on the five logits, or on their softmax, instead of the
# features?
#
# Beside it stands the other classic: the model left in train mode, which you met in module 00. Here
# it spoils the *features*, and with them everything that is built on them.

# %%
zero_to_four = pool.labels < 5
old_head = nn.Linear(128, 5)
fit(old_head, pool_features[zero_to_four], pool.labels[zero_to_four], steps=200, lr=1e-2)


def features_in_train_mode(images, batch_size):
    """The bug: forget eval mode. Works on a copy, to spare the backbone."""
    forgetful = copy.deepcopy(backbone).train()
    with torch.no_grad():
        return torch.cat([forgetful(batch) for batch in images.split(batch_size)])


by_class = test.labels.argsort()  # test images sorted by class, as files in folders are
back = by_class.argsort()
with torch.no_grad():
    old_logits = old_head(pool_features), old_head(test_features)
slips = {
    "features": (pool_features, test_features),
    "five old logits": old_logits,
    "their softmax": tuple(logits.softmax(dim=1) for logits in old_logits),
    "train mode, test sorted by class": (
        pool_features,
        features_in_train_mode(test.images[by_class], 16)[back],
    ),
}
accuracies = {
    name: mean_interval([centroid_accuracy(*pair, 5, seed) for seed in range(5)])
    for name, pair in slips.items()
}
plots.show(
    plots.intervals(accuracies, "accuracy on ten digits, 5 labels per class"),
    caption="The same backbone and the same labels. Only the first row uses what the backbone "
    "knows.",
    alt="; ".join(f"{name}: {mean:.2f}" for name, (mean, _, _) in accuracies.items()),
)

# %% [markdown]
# The five logits keep what tells 0 to 4 apart and throw away the rest; the softmax throws away
# more. (Logits are a linear function of the features. So a linear head on logits can do nothing
# that a linear head on the features could not. Over ten seeds of ours the logits cost
# {{bugs.last_layer.cost}}.)
#
# ### Why once is enough
#
# A frozen backbone gives the same features for the same image, today and in the tenth epoch. Yet
# the usual training loop computes them again in every epoch, and throws them away.
#
# **Predict.** We train a head for ten **epochs**, ten passes over the 1,000 images of the pool.
# Once with the backbone inside the loop; once with its features computed beforehand, *that time
# included*. How many times faster is the second?

# %%
ledger.predict("features in every epoch / features once, 10 epochs", ..., "ratio of times")

# %%
EPOCHS = 10


def train_head(features=None, epochs=EPOCHS):
    """Train a new head; without features, compute them in every epoch. Returns head, seconds."""
    start = perf_counter()
    head = nn.Linear(128, 10)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in progress(range(epochs), "epochs"):
        x = features_of(model, pool.images) if features is None else features
        for batch in torch.randperm(len(x)).split(100):
            loss = F.cross_entropy(head(x[batch]), pool.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return head, perf_counter() - start


train_head(pool_features, epochs=1)  # warm up: the first optimiser of a session is slow
_, in_every_epoch = train_head()
start = perf_counter()
features_once = features_of(model, pool.images)
extraction = perf_counter() - start
head, on_features = train_head(features_once)
once = extraction + on_features
ledger.measured("features in every epoch / features once, 10 epochs", in_every_epoch / once)
Table(
    {"loop": loop, "seconds": seconds, "times as long": seconds / once}
    for loop, seconds in {
        "features in every epoch": in_every_epoch,
        f"features once ({extraction:.2g} s), then the head": once,
    }.items()
)

# %% [markdown]
# (Clocks are noisy. Over ten runs on another machine it was {{speed.cached_over_loop}}.)
#
# The arithmetic is simple. One pass of the backbone costs *b*, one epoch of the head costs *h*. Ten
# epochs cost 10 (b + h) in the loop, and b + 10 h with features computed once. The head is so cheap
# that the ratio comes near the number of epochs; the larger the backbone, the nearer. That is why
# feature extraction fits on a laptop: the backbone sees each image *once*, and every head, every
# setting and every seed after that is nearly free.
#
# It also shows what you give up. If the images change from epoch to epoch (random distortions), or
# if the backbone does (fine-tuning, module 02), there is nothing to keep.
#
# What is computed once may as well be kept on disk. `cached_features` does that. Its key holds the
# weights and the images themselves, so it never returns the features of another backbone.

# %%
for attempt in ("first", "second"):
    start = perf_counter()
    cached_features(model, test.images, transform="plain", split="digits test")
    print(f"{attempt} call: {1000 * (perf_counter() - start):.0f} ms")
print("(Ran this notebook before? Then the first call found them, too.)")

# %% [markdown]
# ## 5 · A head, honestly: `linear_probe`
#
# A **linear probe** is a linear head fitted on frozen features. Ours is a **logistic regression**:
# weights and biases that minimise
#
# > sum of cross-entropies of *W x + b* over the training examples + strength / 2 · ‖*W*‖²
#
# The second term pulls the weights towards zero; it is called **regularisation**, or a penalty.
# With 128 features and twenty examples, many weights explain the labels perfectly; the penalty
# prefers small ones. How strong should it be? Training accuracy cannot tell: a weak penalty
# hardly ever harms it. And the test set *may not* tell, or its accuracy is no longer that of a
# stranger.
#
# So the examples are divided by three. **Training** data fit the weights, once for each candidate.
# **Validation** data choose the candidate. **Test** data are looked at once, at the end.
#
# ### Exercise: `linear_probe`
#
# {{exercise linear_probe}}
#
# `scikit-learn` may do the fitting: its `LogisticRegression` minimises the same sum, with `C` = 1 /
# strength. Three details. If two strengths do equally well, take the stronger: the simpler head is
# the safer bet. For two classes scikit-learn keeps a single row of weights w; we want two rows, one
# per class, that give the same probabilities. And the features are used as given: do not
# standardise them.


# %% nbgrader={"grade_id": "linear_probe", "solution": true}
def linear_probe(train_x, train_y, val_x, val_y, test_x, test_y, strengths):
    """Return dict(strength, weight (K, D), bias (K,), test_accuracy) of a logistic regression.

    Minimises the sum of cross-entropies on train + strength/2 * ||weight||^2 (bias unpenalised)
    on features (N, D) as given, of about unit scale; labels are 0...K-1. K = 2 has two rows, too:
    they differ by scikit-learn's one. The strength with the best validation accuracy wins, of
    equals the strongest. Not refitted on val; test labels change test_accuracy (in [0, 1]) and
    nothing else.
    """
    ### BEGIN SOLUTION
    best_accuracy = -1
    for strength in sorted(strengths):  # rising, so that of equals the strongest comes last
        probe = LogisticRegression(C=1 / strength, max_iter=5000).fit(train_x, train_y)
        accuracy = probe.score(val_x, val_y)
        if accuracy >= best_accuracy:
            best_accuracy, best_strength, best = accuracy, strength, probe
    weight, bias = torch.tensor(best.coef_), torch.tensor(best.intercept_)
    if len(weight) == 1:  # two classes: the row is the second logit minus the first
        weight = torch.cat([torch.zeros_like(weight), weight])
        bias = torch.cat([torch.zeros_like(bias), bias])
    return {
        "strength": best_strength,
        "weight": weight,
        "bias": bias,
        "test_accuracy": best.score(test_x, test_y),
    }
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-linear_probe"}
check("linear_probe")

# %% [markdown]
# Now let it choose. Twenty labels per class are paid for: ten for training, ten for validation.

# %%
probe = use("linear_probe")
STRENGTHS = [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]

paid, _ = k_shot_split(pool.labels, n_shot=20, seed=0)
training, validation = (paid[part] for part in k_shot_split(pool.labels[paid], n_shot=10, seed=0))
chosen = probe(
    *(pool_features[training], pool.labels[training]),
    *(pool_features[validation], pool.labels[validation]),
    *(test_features, test.labels),
    strengths=STRENGTHS,
)
print(
    f"strength {chosen['strength']:g}, chosen on {len(validation)} validation images; "
    f"test accuracy {chosen['test_accuracy']:.3f}"
)

# %% [markdown]
# How much did the choice matter? Here are all candidates over ten seeds, with two labels per class.
# (To draw this figure we do look at the test set for every strength: as a study *about* choosing,
# in which nothing is chosen.)


# %%
def hits(fitted, x, y):
    """Tell for each row of x whether a fitted probe puts its largest logit at the label y."""
    logits = x.double() @ fitted["weight"].double().T + fitted["bias"].double()
    return (logits.argmax(dim=1) == y).double()


test_hits, by_data = [], {"training": [], "validation": [], "test": []}  # a row for each seed
for seed in progress(range(10), "seeds"):
    train, rest = k_shot_split(pool.labels, n_shot=2, seed=seed)
    val = rest[k_shot_split(pool.labels[rest], n_shot=10, seed=seed)[0]]
    own = pool_features[train], pool.labels[train]
    fits = [probe(*own, *own, *own, strengths=[strength]) for strength in STRENGTHS]
    test_hits.append(torch.stack([hits(fit, test_features, test.labels) for fit in fits]))
    by_data["training"].append([float(hits(fit, *own).mean()) for fit in fits])
    by_data["validation"].append(
        [float(hits(fit, pool_features[val], pool.labels[val]).mean()) for fit in fits]
    )
    by_data["test"].append(test_hits[-1].mean(dim=1).tolist())
curves = {
    data: [mean_interval(of_strength) for of_strength in zip(*rows, strict=True)]
    for data, rows in by_data.items()
}
plots.show(
    plots.learning_curves(STRENGTHS, curves, x_label="strength of the penalty"),
    caption="Two labels per class, ten seeds. Training accuracy is no guide. Note how wide the "
    "plateau is: good features forgive nearly any strength.",
    alt="Accuracy by strength of the penalty. On test data: "
    + ", ".join(
        f"{mean:.2f} at {strength:g}"
        for strength, (mean, _, _) in zip(STRENGTHS, curves["test"], strict=True)
    ),
)

# %% [markdown]
# ### The classic bug: tuning on the test set
#
# ```diff
# - best = argmax(test accuracy);        report(test accuracy of best)
# + best = argmax(validation accuracy);  report(test accuracy of best)
# ```
#
# "It is only one number, on a plateau." So let us measure what it does. We take 50 of the test
# digits, choose the strength on them, and report its accuracy *on them*, as the bug does. The other
# 747 digits are strangers to that choice: on them we measure what the chosen strength is really
# worth. The difference is pure optimism.

# %%
optimism = []
for seed, right in enumerate(test_hits):  # (strength, test image): 1 for a hit, 0 for a miss
    shuffle = torch.Generator().manual_seed(seed)
    differences = []
    for _ in range(50):  # fifty ways to draw the 50 images
        order = torch.randperm(len(test.labels), generator=shuffle)
        seen, strangers = right[:, order[:50]].mean(dim=1), right[:, order[50:]].mean(dim=1)
        best = seen.argmax()
        differences.append(float(seen[best] - strangers[best]))
    optimism.append(np.mean(differences))
bias = mean_interval(optimism)
plots.show(
    plots.intervals({"reported - true": bias}, "accuracy, chosen on the test set", reference=0),
    caption="Choosing one number on 50 test images, ten seeds. The report is too good, although "
    "nothing got better.",
    alt="Optimism {:+.3f}, from {:+.3f} to {:+.3f}.".format(*bias),
)

# %% [markdown]
# A handful of candidates for one harmless setting, and the report improves by an amount for which
# people write papers: {{bugs.tuned_on_test.cost}} over ten seeds of ours. Real projects choose
# among hundreds of settings.
#
# A warning for small data: **validation labels are labels, too.** With twenty labels in all there
# is nothing left to validate on. In the next part every strength was therefore fixed beforehand, on
# *other* tasks: small alphabets that contain no digit.
#
# ## 6 · Is it enough?
#
# Now the opening question, as a table that ships with the course. Four ways to begin, ten seeds,
# the same labels for all four:
#
# - **pixels**: a probe on the raw image, no network at all;
# - **random**: a probe on the features of the backbone with random weights, frozen;
# - **frozen**: a probe on the features of the pretrained backbone;
# - **scratch**: the same network trained from random weights on the labels at hand, every image
#   distorted anew in each step, as in pretraining.
#
# Pixels and random are there to keep us honest. If pixels do well, the task is easy. If random does
# well, the network's shape did it, and not what was learned.
#
# %%
sizes = {1: 1, 2: 2, 5: 5, 20: 20, "all": 100}  # labels per class; all 1,000 are about 100 of each
ways = ("pixels", "random", "frozen", "scratch")
shipped = results.numbers()
Table(
    {"labels per class": str(n)}
    | {way: shipped[f"digits.{n}.{way}"]["text"] for way in ways}
    | {"frozen minus scratch": shipped[f"digits.{n}.gain"]["text"]}
    for n in sizes
)

# %% [markdown]
# (Accuracy on the 797 test digits: mean and 95 % interval over ten seeds. The last column is
# paired. With all labels there is one training set, so what has no random start has no spread.)
#
# Ten seeds are somebody else's. Add **one of your own**: the cell draws it over the shipped
# intervals. Choose any number from 10 upwards; 0 to 9 are in the table already.

# %%
my_seed = 11  # your own: your birthday, say

settings = results.settings("feature_extraction")
looks = {  # what the probe gets to see: (pool, test)
    "pixels": (pool.images.flatten(1), test.images.flatten(1)),
    "random": tuple(
        features_of(Classifier(random_backbone(seed=0), 10), images)
        for images in (pool.images, test.images)
    ),
    "frozen": (pool_features, test_features),
}


def probe_accuracy(look, n_shot, seed, strength):
    """Test accuracy of a probe with n_shot labels per class, its strength fixed beforehand."""
    pool_x, test_x = look
    scale = 10 / pool_x.norm(dim=1).mean()  # so that a strength means the same for all
    support, _ = k_shot_split(pool.labels, n_shot, seed)
    own = scale * pool_x[support], pool.labels[support]
    return probe(*own, *own, scale * test_x, test.labels, strengths=[strength])["test_accuracy"]


ax = plots.learning_curves(
    list(sizes.values()),
    {
        way: [[shipped[f"digits.{n}.{way}"][end] for end in ("mean", "low", "high")] for n in sizes]
        for way in ways
    },
)
mine, my_sizes = {}, [n for n in sizes if n != "all"]  # of all labels there is only one draw
for (way, look), colour in zip(looks.items(), plots.COLOURS, strict=False):
    mine[way] = [probe_accuracy(look, n, my_seed, settings["strengths"][way]) for n in my_sizes]
    ax.plot(my_sizes, mine[way], color=colour, marker="x", markersize=9, linestyle="none")
plots.show(
    ax,
    caption=f"Lines and bands: ten shipped seeds. Crosses: your seed {my_seed}. Find where the "
    "lines of frozen and scratch meet.",
    alt="Accuracy by labels per class; your seed at 1, 2, 5 and 20 labels: "
    + "; ".join(f"{way} {', '.join(f'{a:.2f}' for a in runs)}" for way, runs in mine.items()),
)

# %% [markdown]
# A cross may lie outside its band: the band is about the *mean* of ten seeds, and single seeds
# spread more.
#
# Read the figure from left to right. With few labels the pretrained features are far ahead, also
# of the same network trained from scratch. The random backbone is worse than plain pixels there: a
# network's shape alone is no gift. Then the gap closes, and with enough labels scratch is at least
# as good. Remember this; you will be asked why.
#
# ### Three claims, your numbers
#
# One experiment is enough to test three of the article's claims. Five seeds of your own; each gives
# the frozen backbone and scratch the same 40 labels, four per class.
#
# 1. *Feature extraction*: frozen features are good enough to keep. **Test**: accuracy, frozen minus
#    scratch, 40 labels each.
# 2. *Less labelled data*. **Test**: accuracy, frozen with 20 labels minus scratch with 40. "Far
#    fewer" must at least mean half.
# 3. *Faster training*. **Test**: seconds until 80 % of 200 validation digits are right, scratch
#    minus frozen; the backbone's one pass counts, its pretraining does not.
#
# **Predict** the second: with *half* the labels, is frozen ahead (above 0) or behind?

# %%
ledger.predict("20 labels frozen - 40 labels scratch", ..., "difference in accuracy")

# %%
TARGET, STEPS = 0.8, 100
strength = settings["strengths"]["frozen"]

frozen_20, frozen_40, scratch_40 = [], [], []
frozen_seconds, scratch_seconds = [], []
for seed in progress(range(my_seed, my_seed + 5), "your five seeds"):
    support, rest = k_shot_split(pool.labels, n_shot=4, seed=seed)
    images, labels = pool.images[support], pool.labels[support]
    val = pool.images[rest[:200]], pool.labels[rest[:200]]

    frozen_20.append(probe_accuracy(looks["frozen"], 2, seed, strength))
    frozen_40.append(probe_accuracy(looks["frozen"], 4, seed, strength))
    start = perf_counter()
    x = features_of(model, images)
    scale = 10 / x.norm(dim=1).mean()
    own = scale * x, labels
    fitted = probe(*own, *own, *own, strengths=[strength])
    frozen_seconds.append(perf_counter() - start)
    if hits(fitted, scale * features_of(model, val[0]), val[1]).mean() < TARGET:
        print(f"Seed {seed}: frozen features did not reach {TARGET:.0%}.")

    network = Classifier(random_backbone(seed), 10, seed)
    history = fit(
        network,
        images,
        labels,
        steps=STEPS,
        lr=settings["learning_rate"],
        weight_decay=0.05,
        augment=glyphs.augment,
        val=val,
        log_every=10,
        seed=seed,
        progress=False,
    )
    scratch_40.append(evaluate(network, test.images, test.labels))
    there = [row["seconds"] for row in history if row["val_accuracy"] >= TARGET]
    scratch_seconds.append(there[0] if there else history[-1]["seconds"])  # else: at least this

extraction_gain = paired_effect(frozen_40, scratch_40)
half_the_labels = paired_effect(frozen_20, scratch_40)
seconds_saved = paired_effect(scratch_seconds, frozen_seconds)
ledger.measured("20 labels frozen - 40 labels scratch", *half_the_labels)
effects = {
    "frozen - scratch, both with 40 labels": extraction_gain,
    "frozen with 20 labels - scratch with 40": half_the_labels,
}
plots.show(
    plots.intervals(effects, "difference in accuracy, your five seeds", reference=0),
    caption="Right of the dashed line: frozen is ahead. An interval that crosses it has not "
    "decided anything.",
    alt="; ".join(
        f"{name}: {m:+.3f}, from {low:+.3f} to {high:+.3f}"
        for name, (m, low, high) in effects.items()
    ),
)
print("Seconds saved: {:.2f} [{:.2f}, {:.2f}]".format(*seconds_saved))

# %% [markdown]
# Put all three on the record.

# %%
seeds = f"seeds {my_seed} to {my_seed + 4}"
claims.record(
    "feature_extraction",
    *extraction_gain,
    note=f"frozen - scratch, 40 labelled digits, {seeds}",
)
claims.record(
    "less_data",
    *half_the_labels,
    note=f"frozen with 20 labels - scratch with 40, digits, {seeds}",
)
claims.record(
    "faster_training",
    *seconds_saved,
    note=f"saved to {TARGET:.0%} with 40 labelled digits, pretraining not counted, {seeds}",
    unit="seconds",
)
claims.board()

# %% [markdown]
# Three verdicts, three footnotes.
#
# - *Feature extraction* was tested with 40 labels. The shipped table says what becomes of the gain
#   with more of them: {{digits.20.gain}} at 20 labels per class.
# - *Less data* depends on what "far fewer" means. If your interval crosses zero, these five seeds
#   cannot tell whether half the labels suffice; more seeds might. And scratch had only 100 steps
#   here, to keep the cell short; the shipped runs had three times as many.
# - *Faster* leaves out the largest bill. Somebody had to pretrain:

# %%
pretraining = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
bill, saved = pretraining["cpu_seconds_of_this_run"], seconds_saved[0]
print(f"Pretraining took {bill} CPU-seconds. It saved {saved:.1f} s a task here, so it", end=" ")
print(f"pays back after some {bill / saved:.0f} tasks." if saved > 0 else "did not pay back.")

# %% [markdown]
# So pretraining pays when many tasks share one backbone, or when somebody else has paid. That is
# the usual case, and worth saying aloud. Module 03 tests *less data* and *faster* properly; what
# you record there takes the place of these two rows.
#
# And the opening question. Twenty labels, every way of looking at an image that we have, the same
# five seeds. (Your 150 steps are in it, if you ran them.)

# %%
if TASTE:
    looks["your 150 steps of Greek"] = tuple(
        features_of(taste, images) for images in (pool.images, test.images)
    )
twenty_labels = {}
for way, look in looks.items():
    strength = settings["strengths"].get(way, settings["strengths"]["frozen"])
    runs = [probe_accuracy(look, 2, seed, strength) for seed in range(my_seed, my_seed + 5)]
    twenty_labels[way] = mean_interval(runs)
ledger.measured("20 labels, pretrained backbone", *twenty_labels["frozen"])
ledger.measured("20 labels, random backbone", *twenty_labels["random"])
plots.show(
    plots.intervals(twenty_labels, "accuracy on 797 test digits, 20 labels", reference=0.1),
    caption="Twenty labels, a laptop, an afternoon. Dashed: guessing.",
    alt="; ".join(f"{name}: {mean:.2f}" for name, (mean, _, _) in twenty_labels.items()),
)

# %% [markdown]
# (And where does your taste stand? 150 steps on one alphabet are a beginning. Pretraining gives
# what was put into it.)
#
# Is it enough? Over the ten shipped seeds, twenty labels give {{digits.2.frozen}}. For sorting a
# drawer of notes, yes; for reading cheques, no. The honest answer to "is it enough?" is a number,
# an interval, and another question: *enough for what?*
#
# ## 7 · Nothing moves: `freeze`
#
# So far the backbone was frozen because we never trained it. Often it sits *inside* a model that is
# trained: a head on top, or several, or a new layer in front. Then it must be told to stay as it
# is. Most tutorials do it like this:


# %%
def freeze_as_in_tutorials(module):
    """Half of the job."""
    for parameter in module.parameters():
        parameter.requires_grad = False
    return module


# %% [markdown]
# ### What it costs
#
# A backbone in a company serves several heads. Yours reads digits, and works. A colleague needs a
# head for digits in *dark on white*, on the same backbone. She freezes the backbone as above and
# trains *her own head only*, with an ordinary training loop, whose first line is `model.train()`.
# She does not touch your head, nor any weight of the backbone.
#
# **Predict.** Your head reads nearly all test digits. What is its accuracy when she is done?

# %%
ledger.predict("your head, after a colleague trained hers", ..., "accuracy")

# %%
support, _ = k_shot_split(pool.labels, n_shot=5, seed=0)
own = pool_features[support], pool.labels[support]
yours = probe(*own, *own, test_features, test.labels, strengths=[1.0])


def colleague_trains(freezer):
    """Let a colleague train a head of hers on a shared backbone; watch yours meanwhile."""
    shared = load_backbone()
    reader = Classifier(shared, 10)  # your head, on the shared backbone
    reader.head.weight.data = yours["weight"].float()
    reader.head.bias.data = yours["bias"].float()
    hers = Classifier(freezer(shared), 10)
    before = {name: value.clone() for name, value in shared.state_dict().items()}
    accuracies = [evaluate(reader, test.images, test.labels)]

    def watch(history):
        accuracies.append(evaluate(reader, test.images, test.labels))

    dark_on_white = 1 - pool.images[support]
    fit(
        hers,
        dark_on_white,
        pool.labels[support],
        steps=40,
        lr=1e-2,
        log_every=4,
        on_row=watch,
        progress=False,
    )
    moved = {
        name: float((value - before[name]).abs().max())
        for name, value in shared.state_dict().items()
    }
    return accuracies, moved


def moves_by_kind(moved):
    """The largest move of each kind of tensor in a state_dict."""
    kinds = {
        "weights and biases": lambda name: name.endswith(("weight", "bias")),
        "running means": lambda name: name.endswith("running_mean"),
        "running variances": lambda name: name.endswith("running_var"),
        "counters of batches": lambda name: name.endswith("num_batches_tracked"),
    }
    return Table(
        {
            "in the backbone": kind,
            "largest move": max(m for name, m in moved.items() if belongs(name)),
        }
        for kind, belongs in kinds.items()
    )


by_tutorial, moved = colleague_trains(freeze_as_in_tutorials)
ledger.measured("your head, after a colleague trained hers", by_tutorial[-1])
print(f"your head, before: {by_tutorial[0]:.3f}   after: {by_tutorial[-1]:.3f}")
moves_by_kind(moved)

# %% [markdown]
# No weight moved. Your head's accuracy is gone all the same. (Over ten such colleagues of ours the
# change was {{bugs.shared_backbone.cost}}.)
#
# What moved are **buffers**. Batch-norm subtracts a mean and divides by a standard deviation. In
# train mode these are the batch's own, and every forward pass moves the stored `running_mean` and
# `running_var` towards them. In eval mode it uses what is stored. Her loop called `model.train()`,
# and batch after batch of dark-on-white digits went through *your* batch-norm.
#
# Your head would notice. In most projects nobody looks: there the same bug costs less, and stays.
# With a single head, trained and tested on the same kind of images with five labels per class, the
# features still drift by {{bugs.batchnorm.moving.drift.mean}} of their length. Accuracy is
# {{bugs.batchnorm.moving}} instead of {{bugs.batchnorm.right}}: a paired difference of
# {{bugs.batchnorm.cost}}. Small enough to overlook.
#
# ### The second leak
#
# Buffers are not all. Suppose somebody trains a while first and freezes *then*. The gradients of
# the last step still lie in `.grad`, and an optimiser does not ask `requires_grad`: it takes every
# gradient it finds. With momentum and weight decay even a gradient of zero moves a weight.
#
# The next cell is an obstacle course. It trains one step, puts the pretrained values back, lets a
# freezer freeze the backbone, and then does to the model what training code does: `train()` on the
# model, on the backbone and on each block, three steps of an optimiser that has momentum and weight
# decay. Use it for your own `freeze`, too.


# %%
def try_to_move(freezer):
    """Return how far each kind of tensor of a frozen backbone moves in three hostile steps."""
    hostile = Classifier(load_backbone(), 10)
    pretrained = {name: value.clone() for name, value in hostile.state_dict().items()}
    optimizer = torch.optim.SGD(hostile.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    x, y = pool.images[support], pool.labels[support]
    F.cross_entropy(hostile(x), y).backward()
    optimizer.step()  # momentum is filled, and .grad stays
    hostile.load_state_dict(pretrained)

    freezer(hostile.backbone)
    for _ in range(3):
        hostile.train()
        hostile.backbone.train()
        for block in hostile.backbone.blocks:
            block.train()
        optimizer.zero_grad(set_to_none=False)  # gradients become zeros, not None
        F.cross_entropy(hostile(x), y).backward()
        optimizer.step()
    return moves_by_kind(
        {
            name.removeprefix("backbone."): float((value - pretrained[name]).abs().max())
            for name, value in hostile.state_dict().items()
            if name.startswith("backbone.")
        }
    )


try_to_move(freeze_as_in_tutorials)

# %% [markdown]
# Now everything moves, weights included.
#
# ### Exercise: `freeze`
#
# {{exercise freeze}}
#
# The hardest of the module. Take it in three steps, and run `try_to_move(freeze)` after each.
#
# 1. **No gradient is wanted, and none is left.** Two attributes of each parameter. What does an
#    optimiser pass over: a gradient of zeros, or no gradient at all?
# 2. **Eval mode, now.** For the module and all that is in it.
# 3. **Eval mode, for good.** `model.train()` walks down the tree and calls `train()` on each child.
#    Somebody may also call it on a block alone, without asking the module around it. So each
#    *submodule* needs an answer of its own to `train()`. Python helps: it looks for `part.train` on
#    the object first, and in the class only if there is none.
#
# The gradient must still flow *through* the module to its input, for layers that sit in front; so
# leave the forward pass alone.


# %% nbgrader={"grade_id": "freeze", "solution": true}
def freeze(module):
    """Freeze a module in place, for good, and return it.

    Every parameter: requires_grad False, grad None. Every submodule is in eval mode and stays so
    after train() on it, on the module or on a parent. No parameter and no buffer changes, also
    under momentum and weight decay. The gradient still flows through to the input; frozen twice
    is frozen once.
    """
    ### BEGIN SOLUTION
    for parameter in module.parameters():
        parameter.requires_grad = False
        parameter.grad = None
    for part in module.modules():
        part.training = False
        part.train = lambda mode=True, part=part: part  # stays in eval, whoever asks
    return module
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-freeze"}
check("freeze")

# %% [markdown]
# The obstacle course and the colleague once more, with a real freeze.

# %%
freezer = use("freeze")
try_to_move(freezer)

# %%
frozen_for_good, _ = colleague_trains(freezer)
steps = range(0, 41, 4)
ax = plots.learning_curves(
    steps,
    {
        "frozen for good": [(a, a, a) for a in frozen_for_good],
        "requires_grad = False": [(a, a, a) for a in by_tutorial],
    },
    x_label="steps of your colleague's training",
)
ax.set_xscale("linear")
ax.set_xticks(range(0, 41, 10))
ax.set_ylabel("accuracy of YOUR head")
plots.show(
    ax,
    caption="The same training of somebody else's head. One line of your colleague's code, "
    "model.train(), is the whole difference.",
    alt=f"Your head's accuracy: with a real freeze it stays at {frozen_for_good[-1]:.2f}; with "
    f"requires_grad alone it falls from {by_tutorial[0]:.2f} to {by_tutorial[-1]:.2f}.",
)

# %% [markdown]
# The bug, as a difference of two lines:
#
# ```diff
# - backbone.requires_grad_(False)     # parameters only
# + freeze(backbone)                   # parameters, old gradients, and eval mode for good
# ```
#
# No `freeze` at hand? Then call `backbone.eval()` after *every* `model.train()`, and give the
# optimiser the head's parameters only: it cannot move what it does not know.
#
# ## On real photographs
#
# The same afternoon with real photographs: ants and bees, 244 for training, 153 for testing, and a
# MobileNetV2 that was trained on ImageNet's million photographs. Your `preprocess` brings them into
# the form that network expects, your `extract_features` runs it once, and your `linear_probe` does
# the rest. Chance is 50 %. The cell needs two downloads, and says in one sentence what to do if
# they are not here.

# %%
try:
    network = imagenet()
    train, held_back = photos.load("train", 161), photos.load("val", 161)
except CourseError as missing:
    print(missing)
else:
    IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406])
    IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225])
    seen = []
    for split in (train, held_back):
        scans = (255 * split.images).round().to(torch.uint8)
        seen.append(
            features_of(network, to_input(scans, IMAGENET_MEAN, IMAGENET_STD), batch_size=32)
        )
    train_x, test_x = seen

    scale = 10 / train_x.norm(dim=1).mean()  # as before, and a strength fixed beforehand
    photo_curve, photo_sizes = [], (1, 2, 5, 20, 60)
    for n_shot in photo_sizes:
        runs = []
        for seed in range(5):
            support, _ = k_shot_split(train.labels, n_shot, seed)
            own = scale * train_x[support], train.labels[support]
            fitted = probe(*own, *own, scale * test_x, held_back.labels, strengths=[1.0])
            runs.append(fitted["test_accuracy"])
        photo_curve.append(mean_interval(runs))
    ax = plots.learning_curves(
        photo_sizes, {"frozen ImageNet features": photo_curve}, "labelled photographs per class"
    )
    ax.axhline(0.5, color="0.4", linestyle="--", linewidth=1)
    plots.show(
        ax,
        caption="Ants or bees, five draws of the labelled photographs. With {} per class: "
        "{:.3f} [{:.3f}, {:.3f}]. Dashed: guessing.".format(photo_sizes[-1], *photo_curve[-1]),
        alt="; ".join(
            f"{n} per class: {m:.2f}" for n, (m, _, _) in zip(photo_sizes, photo_curve, strict=True)
        ),
    )

# %% [markdown]
# Two footnotes. The bands tell how the result varies with the labelled photographs; that the test
# set has only 153 of them adds a few points of its own. And *ant* and *bee* are among ImageNet's
# thousand classes, so this target is a friendly one.
#
# ## A question to write about
#
# {{exercise why_frozen_features}}
#
# In the figure of part 6 the frozen backbone is far ahead of scratch with one or two labels per
# class, and no longer with twenty or more. It is the same network, the same images, the same test.
#
# **In at most 80 words: why is frozen ahead on the left, and why not on the right?** Say what has
# to be *learned from the labels* in each case. Name at least one number that you measured or saw
# here.
#
# A person reads your answer and gives 0 to 2 points:
#
# | points | for |
# |---|---|
# | 1 | the left: what each must learn from few labels, and what comes from the source instead |
# | 1 | the right: what a trained backbone can do, given enough labels, and a frozen one cannot |
#
# Each point needs a *because*, not only a *that*. An answer without any number from this module, or
# of more than 80 words, loses one point.

# %% [markdown] nbgrader={"grade_id": "why_frozen_features", "solution": true}
# Scratch must find 300,000 weights from a handful of images; many settings fit them, most by
# accident. Frozen learns only the head, 1,290 weights: how to see strokes came from printed glyphs.
# So with one label per class it is ahead by {{digits.1.gain.mean}}. With all thousand the gain is
# {{digits.all.gain.mean}}: now the labels are enough to learn features made for digits, while
# frozen ones stay what letters asked for, and no label can mend what they miss.

# %% [markdown]
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
# - Donahue et al. 2014, *DeCAF: A Deep Convolutional Activation Feature for Generic Visual
#   Recognition*, and Sharif Razavian et al. 2014, *CNN Features off-the-shelf: an Astounding
#   Baseline for Recognition*: how the field found out.
# - Saxe et al. 2011, *On Random Weights and Unsupervised Feature Learning*: when random features
#   are a strong baseline.
# - Alain and Bengio 2016, *Understanding intermediate layers using linear classifier probes*.
# - Kornblith, Shlens and Le 2019, *Do Better ImageNet Models Transfer Better?*: frozen features and
#   fine-tuning over many networks and targets.
# - Ioffe and Szegedy 2015, *Batch Normalization*: where the moving statistics come from.
#
# ## What comes next
#
# Frozen features stop where the source task stopped. In **02 · Fine-tuning** you train the backbone
# on: gently, layer by layer, from a good head, and with an eye on what it forgets. If you would
# rather see how far *frozen* features go with one example of each class, take **05 · Few-shot
# learning** first: it needs no more than you have now.
