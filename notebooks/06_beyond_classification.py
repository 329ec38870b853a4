# %% [markdown]
# # 06 · Beyond classification: segmentation and detection
#
# "Is there a digit in this picture" was yesterday's question. Today's is: **where are the digits,
# and which is which?** The answer is a coloured mask, or a box around each. To teach a network
# that, somebody must draw masks and boxes by hand, and that is slow. You have fifty labelled
# scenes. Your backbone knows printed characters, one at a time, on black. **Does it help?**
#
# In about 90 minutes you will
#
# - score masks by intersection over union (`mean_iou`), and see why accuracy is no score here;
# - put a pretrained encoder under a network that draws masks (`transfer_encoder`);
# - decide which of a detector's boxes are hits (`match_boxes`);
# - turn hits into one number (`average_precision`);
# - measure, with your own scores, what transfer is worth for both.
#
# | part | minutes |
# |---|---|
# | 1 · Fifty scenes · 2 · `mean_iou` | 22 |
# | 3 · `transfer_encoder` · 4 · What is it worth? | 22 |
# | 5 · A detector, and `match_boxes` | 22 |
# | 6 · `average_precision` · 7 · What is it worth? | 20 |
# | Real photographs, and a question | 8 |

# %%
try:
    import course_lib
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "The course's library is not installed here. On your own computer, start with the first "
        "command of the README. On Colab, run `%pip install git+ADDRESS`, where ADDRESS is the "
        "page of the course's repository, and then this cell again."
    ) from None

import sys
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import nn
from torchvision.ops import box_iou
from tqdm import tqdm

from course_lib import check, hint, plots, use
from course_lib.data import nuclei, scenes
from course_lib.data.scenes import CLASSES, Scenes
from course_lib.dense.detection import Detector, detect, detection_loss, score_detections
from course_lib.dense.encoder import Encoder
from course_lib.dense.segmentation import Segmenter, segment, segmentation_loss
from course_lib.dense.training import fit_scenes
from course_lib.errors import CourseError
from course_lib.evidence import ledger, results
from course_lib.evidence.notes import Table
from course_lib.models.convnet import random_backbone
from course_lib.models.weights import imagenet, load_backbone
from course_lib.transfer.freeze import freeze

threadpool_limits(1)  # PyTorch and scikit-learn: work this small gains nothing from more threads
progress = partial(tqdm, leave=False, delay=3, file=sys.stdout)  # a bar for what takes longer
shipped, settings = results.numbers(), results.settings("beyond_classification")
print(f"PyTorch {torch.__version__}, course {course_lib.__version__}: ready.")

# %% [markdown]
# ## 1 · Fifty scenes
#
# Each scene is a piece of a photograph with two real handwritten digits and two printed letters
# (Armenian, Georgian, Hebrew or Lao, which the backbone has never seen). The digits are to be
# found, the letters to be passed over.
#
# A **labelled scene** is an image with all that a person would have to draw: the **mask**, which
# gives each pixel a class (0 for background, 1 + d for digit d), and a **box** around each digit
# with its name. In training a scene may be zoomed and shifted, for its labels move along. No new
# scene is composed of old digits: that would be another budget, with other results.
#
# Fifty scenes hold a hundred digits, ten of each class on average. The test scenes show other
# digits on other photographs.

# %%
SEED = 11  # your own: your birthday, say. 0 to 4 are in the shipped results.
N = 50

own = scenes.make("train", N, SEED)
test = scenes.make("test", settings["test_scenes"], 0)  # the same for everybody
plots.show(
    plots.scene_masks(own.images[:6], {"mask": own.masks[:6]}),
    caption="Six of your fifty scenes and their masks. The letters are background, too.",
    alt="Six small grey scenes with two digits and two letters each; below, only the digits are "
    "coloured.",
)
plots.show(
    plots.scene_boxes(own.images[:6], list(zip(own.boxes, own.labels, strict=True))[:6]),
    caption="The same scenes with their boxes: left, top, right, bottom, and a digit.",
    alt="The six scenes with a box around each digit.",
)

# %% [markdown]
# **Segmentation** is classification of every pixel. **Detection** gives a list of boxes, each with
# a class and a score. Both need something that classification could throw away: *where*.
#
# ## 2 · A score for masks: `mean_iou`
#
# How good is a mask? The first idea is accuracy: the share of right pixels.
#
# **Predict.** A network that answers "background" everywhere, for every scene: what is its
# accuracy over pixels?

# %%
ledger.predict("background everywhere, accuracy over pixels", ..., "accuracy")

# %%
nothing = torch.zeros_like(test.masks)
pixel_accuracy = float((nothing == test.masks).double().mean())
ledger.measured("background everywhere, accuracy over pixels", pixel_accuracy)
print(f"accuracy over pixels of a network that finds nothing, ever: {pixel_accuracy:.1%}")

# %% [markdown]
# It has found nothing, and the number looks like success. So the field scores each class by itself:
#
# > **IoU** of a class = pixels that are of this class in prediction *and* target / pixels that are
# > of it in prediction *or* target
#
# **Intersection over union** is 1 for a perfect mask and 0 for one that misses. A mask that is too
# large is punished as well as one that is too small. **mIoU** is the mean over the classes, so the
# rarest class counts as much as the background.
#
# Two details decide what the number means. Count first, divide later: intersections and unions are
# summed *over the whole set* of images, then divided once per class. And a class that is in neither
# prediction nor target has no IoU (0 / 0): it is left out. One that is predicted although it is
# nowhere has 0.
#
# ### Exercise: `mean_iou`
#
# {{exercise mean_iou}}


# %% nbgrader={"grade_id": "mean_iou", "solution": true}
def mean_iou(pred, target, n_classes):
    """Return the mean over classes of intersection over union, for masks (N, H, W): a float.

    Values are 0...n_classes-1. Both counts are summed over all images first. A class whose union
    is empty is left out of the mean; one that is predicted but not there has 0. Masks of different
    shapes are a ValueError with a sentence.
    """
    ### BEGIN SOLUTION
    if pred.shape != target.shape:
        raise ValueError(f"The masks differ: {tuple(pred.shape)} and {tuple(target.shape)}.")
    ious = []
    for k in range(n_classes):
        intersection = ((pred == k) & (target == k)).sum()
        union = ((pred == k) | (target == k)).sum()
        if union > 0:
            ious.append(float(intersection / union))
    return sum(ious) / len(ious)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-mean_iou"}
check("mean_iou")

# %% [markdown]
# ### The classic bugs
#
# ```diff
# - score = (pred == target).float().mean()
# + score = mean_iou(pred, target, n_classes)
# ```
#
# Let us spoil the true masks in three ways, and score each twice.

# %%
miou = use("mean_iou")

shifted = test.masks.roll(3, dims=2)
renamed = torch.where(test.masks > 0, 1 + test.masks % 10, 0)  # each digit taken for the next
Table(
    {
        "prediction": name,
        "accuracy over pixels": float((pred == test.masks).double().mean()),
        "mIoU, eleven classes": float(miou(pred, test.masks, len(CLASSES))),
        "mIoU, digit or not": float(miou((pred > 0).long(), (test.masks > 0).long(), 2)),
    }
    for name, pred in {
        "the truth": test.masks,
        "three pixels to the right": shifted,
        "every digit taken for the next": renamed,
        "background everywhere": nothing,
    }.items()
)

# %% [markdown]
# Accuracy hardly tells a network that finds nothing from one that knows nearly everything; mIoU
# does. The last column asks for less: is this pixel of *any* digit? Keep it in mind.
#
# The second bug is about a class that is not there:
#
# ```diff
# - ious = intersection / union.clamp(min=1)
# + ious = (intersection / union)[union > 0]
# ```
#
# With few scenes, some digits do not occur. Counted as 0, they drag down every score, that of a
# perfect prediction too. Measured on four scenes at a time: {{scenes.bugs.absent.wrong.mean}}
# instead of {{scenes.bugs.absent.right.mean}} for the same masks, {{scenes.bugs.absent.cost}}.
#
# ## 3 · A pretrained encoder: `transfer_encoder`
#
# Our backbone ends by averaging over all places. For masks we stop before that, and keep what each
# block gives on the way. Then it is called an **encoder**. Early maps are fine and know little;
# late maps know much and are coarse.

# %%
encoder = Encoder(load_backbone())
with torch.no_grad():
    maps = encoder(test.images[:1])
Table(
    {
        "map of": name,
        "channels": m.shape[1],
        "places": f"{m.shape[2]} x {m.shape[3]}",
        "one place stands for": f"{64 // m.shape[2]} x {64 // m.shape[2]} pixels",
    }
    for name, m in zip(("stem", "stage 1", "stage 2", "stage 3"), maps, strict=True)
)

# %% [markdown]
# A **decoder** goes back from coarse to fine: it enlarges the deepest map, joins it with the next
# finer one, convolves, and so on. This shape is called U-Net. The decoder is new and must be
# learned from your fifty scenes; the encoder need not be.
#
# So the weights must get from the backbone into the segmenter. Everybody has written this line:

# %%
model = Segmenter(Encoder(random_backbone(SEED)), seed=SEED)
before = model.encoder.blocks[0][0].weight.clone()

report = model.load_state_dict(load_backbone().state_dict(), strict=False)

changed = not torch.equal(before, model.encoder.blocks[0][0].weight)
print(f"No error. Has the first layer changed? {changed}.")
print("names in the weights:  ", report.unexpected_keys[0], "...")
print("names in the segmenter:", report.missing_keys[0], "...")

# %% [markdown]
# Nothing was loaded. `strict=False` means "pass over every name that you do not know", and here
# that is every name. Training begins from random weights, works somehow, and the paper says "with
# a pretrained encoder".
#
# ```diff
# - segmenter.load_state_dict(backbone.state_dict(), strict=False)
# + segmenter.encoder.load_state_dict(backbone.state_dict())
# ```
#
# What that costs is what transfer is worth; we measure it in part 4. There are two more ways to
# load half of it. **Buffers**: batch-norm's running statistics are in the `state_dict`, and are not
# among the `parameters()`. And **position**: if the shapes match, layers can be paired in the wrong
# order without an error. Only the *name* says which layer is which.
#
# ### Exercise: `transfer_encoder`
#
# {{exercise transfer_encoder}}
#
# All or nothing: if a single name or shape does not fit, raise a `ValueError` before anything has
# been copied.


# %% nbgrader={"grade_id": "transfer_encoder", "solution": true}
def transfer_encoder(encoder, segmenter):
    """Copy encoder into segmenter.encoder by name; return all names of encoder.state_dict().

    Every parameter and every buffer; afterwards the two share no memory. The rest of the segmenter
    and the encoder itself stay as they are. A name on one side only, or a shape that differs, is a
    ValueError with a sentence, and then nothing has been copied.
    """
    ### BEGIN SOLUTION
    source, target = encoder.state_dict(), segmenter.encoder.state_dict()
    if source.keys() != target.keys():
        raise ValueError(f"On one side only: {sorted(source.keys() ^ target.keys())}.")
    odd = [name for name in source if source[name].shape != target[name].shape]
    if odd:
        raise ValueError(f"These tensors differ in shape: {odd}.")
    segmenter.encoder.load_state_dict(source)
    return list(source)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-transfer_encoder"}
check("transfer_encoder")

# %% [markdown]
# ## 4 · What is it worth for masks?
#
# Three ways to the same segmenter, with the same fifty scenes:
#
# - **scratch**: random encoder, everything is trained;
# - **frozen**: pretrained encoder, frozen; the decoder is trained;
# - **tuned**: pretrained encoder, everything is trained (fine-tuning).
#
# **Predict.** mIoU over the eleven classes on the test scenes, for scratch and for tuned. And
# "digit or not", for tuned *minus* scratch.

# %%
ledger.predict("50 scenes, masks from scratch", ..., "mIoU")
ledger.predict("50 scenes, masks tuned", ..., "mIoU")
ledger.predict("50 scenes, digit or not, tuned - scratch", ..., "difference in mIoU")

# %%
load = use("transfer_encoder")


def trained(network, loss, task, way):
    """Train a segmenter or a detector on your fifty scenes, as the shipped runs were."""
    model = network(Encoder(random_backbone(SEED)), seed=SEED)
    if way != "scratch":
        load(load_backbone(), model)
    if way == "frozen":
        freeze(model.encoder)
    lr = settings["learning_rates"][task][way]
    fit_scenes(model, own, loss, steps=settings["steps"][task], lr=lr, seed=SEED)
    return model


def draw_over_shipped(score, mine, x_label):
    """Draw your seed as crosses over the shipped mean and interval of each way."""
    rows = {
        f"{way}, {n} scenes": (way, n) for n in (50, 200) for way in ("scratch", "frozen", "tuned")
    }
    ax = plots.intervals(
        {
            name: [shipped[f"scenes.{score}.{n}.{way}"][end] for end in ("mean", "low", "high")]
            for name, (way, n) in rows.items()
        },
        x_label,
    )
    for place, (way, n) in enumerate(rows.values()):
        if n == N and way in mine:
            ax.plot(mine[way], place, marker="x", markersize=9, color=plots.RED)
    return ax


masks, mine, mine_binary = {}, {}, {}
for way in ("scratch", "tuned"):
    segmenter = trained(Segmenter, segmentation_loss, "segmentation", way)
    masks[way] = segment(segmenter, test.images)
    mine[way] = float(miou(masks[way], test.masks, len(CLASSES)))
    mine_binary[way] = float(miou((masks[way] > 0).long(), (test.masks > 0).long(), 2))
ledger.measured("50 scenes, masks from scratch", mine["scratch"])
ledger.measured("50 scenes, masks tuned", mine["tuned"])
ledger.measured(
    "50 scenes, digit or not, tuned - scratch", mine_binary["tuned"] - mine_binary["scratch"]
)
plots.show(
    plots.scene_masks(
        test.images[:6], {"truth": test.masks[:6]} | {w: m[:6] for w, m in masks.items()}
    ),
    caption="Test scenes, the true masks, and what your two segmenters say. Look at the *colours* "
    "first, then at the *shapes*.",
    alt="Six test scenes with their true masks and those of scratch and tuned.",
)

# %%
plots.show(
    draw_over_shipped("mask", mine, "mIoU over background and ten digits"),
    caption="Which digit is it? Dots: five shipped seeds. Crosses: your seed.",
    alt="Your seed: " + "; ".join(f"{way} {score:.2f}" for way, score in mine.items()),
)
plots.show(
    draw_over_shipped("binary", mine_binary, "mIoU over digit and rest"),
    caption="Digit or not? The same masks, all digits in one class.",
    alt="Your seed: " + "; ".join(f"{way} {score:.2f}" for way, score in mine_binary.items()),
)

# %% [markdown]
# Five shipped seeds, mIoU on 300 test scenes (mean and 95 % interval; the gains are paired):
#
# | | 50 scenes | 200 scenes |
# |---|---|---|
# | scratch | {{scenes.mask.50.scratch}} | {{scenes.mask.200.scratch}} |
# | frozen | {{scenes.mask.50.frozen}} | {{scenes.mask.200.frozen}} |
# | tuned | {{scenes.mask.50.tuned}} | {{scenes.mask.200.tuned}} |
# | **which digit**: tuned - scratch | {{scenes.mask.50.gain}} | {{scenes.mask.200.gain}} |
# | the same, frozen - scratch | {{scenes.mask.50.frozen_gain}} | {{scenes.mask.200.frozen_gain}} |
# | **digit or not**: tuned - scratch | {{scenes.binary.50.gain}} | {{scenes.binary.200.gain}} |
#
# Compare the two bold rows. What transfer gives is above all the answer to *which digit*. That
# takes knowledge of shapes, which fifty scenes cannot teach and a thousand printed characters can.
# Fifty scenes with it, beside two hundred without: {{scenes.mask.quarter}}.
#
# For *digit or not* the difference is {{scenes.binary.50.gain.verdict}} with 50 scenes,
# {{scenes.binary.200.gain.verdict}} with 200, and far smaller: to draw an outline, brightness and
# edges nearly suffice, and every pixel of every scene teaches them. Masks of two classes gain
# nothing that we can be sure of.
#
# See how wide the intervals of scratch are. A run from random weights can get stuck in so few
# steps; none was left out. (Each way has its own learning rate, chosen on validation scenes.)
#
# Look at *frozen*, too. The encoder was trained on clean characters, white on black; behind ours
# there are photographs. Its features suffer from that, and only training can mend them. Module 04
# is about this kind of shift.
#
# (The bug of part 3, in this light: whoever loads nothing gets the scratch row, and the label
# "pretrained". {{scenes.bugs.nothing_loaded.cost}} with 50 scenes. Whoever forgets the buffers
# under a frozen encoder pays as well: {{scenes.bugs.buffers.cost}} of the detector's average
# precision with 200 scenes, a score that you will write below.)
#
# ## 5 · A detector, and its hits: `match_boxes`
#
# Our detector lays a grid over the scene, a place every four pixels. Each place answers two
# questions: *is the middle of a digit here, and of which* (ten scores), and *how far is it to the
# four sides of its box* (four numbers). That is all; it follows FCOS (Tian et al. 2019). Most
# places are empty, so its loss is a **focal loss**, which cares little for what is easy.
#
# Several neighbouring places find the same digit. **Non-maximum suppression** keeps the best
# scored box and drops those of the same class that overlap it by more than half.

# %%
finder = trained(Detector, detection_loss, "detection", "tuned")
found = detect(finder, test.images)
shown = [[part[one.scores >= 0.3] for part in one] for one in found[:6]]
plots.show(
    plots.scene_boxes(
        test.images[:6],
        list(zip(test.boxes, test.labels, strict=True))[:6],
        {"tuned": shown},
    ),
    caption="Boxes with a score of at least 30 %. Solid: the right digit, and an IoU of at least "
    "one half with its box. Dashed: a false alarm.",
    alt="Six test scenes, their true boxes, and the boxes that your detector found.",
)

# %% [markdown]
# Which of them are **hits** (true positives)? A box is hardly ever exactly right. The convention:
# a prediction is a hit if its IoU with a true box *of its class* is at least one half; this time
# the IoU of two rectangles. Each true box can be hit **once**. The predictions choose in the order
# of their scores: each takes the true box that it overlaps most *among those still free*.
#
# ### The classic bug: one object, many hits
#
# ```diff
# - hits = (iou >= 0.5).any(dim=1)
# + hits = match_boxes(boxes, scores, truth)   # each true box once
# ```
#
# **Predict.** Switch non-maximum suppression off, so that each digit is reported many times, and
# count hits as in the first line. What average precision comes out? (A perfect detector has 1.)

# %%
ledger.predict("average precision, every overlap a hit", ..., "average precision")

# %% [markdown]
# ### Exercise: `match_boxes`
#
# {{exercise match_boxes}}
#
# One image, one class. `torchvision.ops.box_iou(boxes, truth)` gives all IoUs at once, (P, G).


# %% nbgrader={"grade_id": "match_boxes", "solution": true}
def match_boxes(boxes, scores, truth, threshold=0.5):
    """Return bool (P,), in the order of boxes: which predictions are hits.

    boxes (P, 4) and truth (G, 4) are left, top, right, bottom; scores (P,). By descending score,
    each prediction takes the free true box with the largest IoU, if that is at least threshold.
    P or G may be 0.
    """
    ### BEGIN SOLUTION
    iou = box_iou(boxes, truth)
    hits = torch.zeros(len(boxes), dtype=torch.bool)
    for i in scores.argsort(descending=True):
        if len(truth) and iou[i].max() >= threshold:
            hits[i] = True
            iou[:, iou[i].argmax()] = -torch.inf  # taken
    return hits
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-match_boxes"}
check("match_boxes")

# %% [markdown]
# ## 6 · One number for a detector: `average_precision`
#
# Sort all predictions of a class, over all images, by their scores, and go down the list. After
# each one, ask two questions. **Precision**: what share of the predictions so far are hits?
# **Recall**: what share of *all objects* has been found so far?
#
# A cautious detector has precision without recall; one that reports everything has recall without
# precision. **Average precision** (AP) is the area under the curve of precision over recall. The
# curve zigzags; by convention, precision at a recall is the best that is reached *there or at a
# higher recall*: the **envelope**. So AP is a sum, over the hits: 1 / objects, times the envelope.
#
# By hand: three objects; the ranking is hit, false alarm, hit. Precision is 1, 1/2, 2/3. AP is
# 1/3 · 1 + 1/3 · 2/3 = 5/9. The third object was never reported, and costs its third.
#
# ### Exercise: `average_precision`
#
# {{exercise average_precision}}


# %% nbgrader={"grade_id": "average_precision", "solution": true}
def average_precision(is_tp, scores, n_truth):
    """Return the area under the envelope of precision over recall, a float.

    is_tp (P,) bool and scores (P,) are in any order, the same for both; n_truth is the number of
    objects; should there be more hits than that, AP exceeds 1. No predictions: 0. No objects: nan,
    with or without predictions.
    """
    ### BEGIN SOLUTION
    if n_truth == 0:
        return float("nan")
    hits = is_tp[scores.argsort(descending=True)].double()
    precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)
    envelope = precision.flip(0).cummax(dim=0).values.flip(0)
    return float((envelope * hits).sum() / n_truth)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-average_precision"}
check("average_precision")

# %% [markdown]
# The curve for your detector, for the digit that it finds best and the one that it finds worst.

# %%
hits_of, area_of = use("match_boxes"), use("average_precision")


def ranking(found, digit):
    """Hits and scores of all predictions of a digit, and how many of it there are."""
    hits, scores = [], []
    for one, boxes, labels in zip(found, test.boxes, test.labels, strict=True):
        own_class = one.labels == digit
        matched = hits_of(one.boxes[own_class], one.scores[own_class], boxes[labels == digit])
        hits.append(torch.as_tensor(matched, dtype=torch.bool))
        scores.append(one.scores[own_class])
    return torch.cat(hits), torch.cat(scores), int((test.labels == digit).sum())


by_digit = {digit: float(area_of(*ranking(found, digit))) for digit in range(10)}
curves = {}
for digit in (max(by_digit, key=by_digit.get), min(by_digit, key=by_digit.get)):
    hits, scores, n_truth = ranking(found, digit)
    so_far = hits[scores.argsort(descending=True)].cumsum(dim=0)
    curves[f"digit {digit}, AP {by_digit[digit]:.2f}"] = (
        so_far / n_truth,
        so_far / torch.arange(1, len(so_far) + 1),
    )
plots.show(
    plots.precision_recall(curves),
    caption="From left to right: from the surest prediction to the least sure. AP is the area "
    "under the line. Where a line ends, the rest of the objects was never reported.",
    alt="; ".join(curves),
)

# %% [markdown]
# Now the two bugs. The first is that of part 5. The second is a forgotten sort:
#
# ```diff
# - hits = is_tp.double()
# + hits = is_tp[scores.argsort(descending=True)].double()
# ```

# %%


def every_overlap(boxes, scores, truth):
    """The bug: whoever overlaps is a hit."""
    return (box_iou(boxes, truth) >= 0.5).any(dim=1)


def in_order_of_files(is_tp, scores, n_truth):
    """The bug: the ranking is the order in which images were read."""
    return area_of(is_tp, -torch.arange(len(is_tp)).double(), n_truth)


unsuppressed = detect(finder, test.images, overlap=1.0)
aps = {
    "as it should be": score_detections(found, test, 0.5, hits_of, area_of),
    "without suppression": score_detections(unsuppressed, test, 0.5, hits_of, area_of),
    "without suppression, every overlap a hit": score_detections(
        unsuppressed, test, 0.5, every_overlap, area_of
    ),
    "scores not sorted": score_detections(found, test, 0.5, hits_of, in_order_of_files),
}
ledger.measured(
    "average precision, every overlap a hit", aps["without suppression, every overlap a hit"]["ap"]
)
Table({"scoring": name, "AP, mean over ten digits": scored["ap"]} for name, scored in aps.items())

# %% [markdown]
# An average "precision" of several hundred per cent should make anybody stop. With suppression
# switched on, the same bug hides: then only now and then two boxes share an object, and the score
# is a little too good. The five shipped detectors with 200 scenes, all without suppression:
# {{scenes.bugs.twice.wrong.mean}} instead of {{scenes.bugs.twice.right.mean}}. The forgotten sort
# costs {{scenes.bugs.unsorted.cost}}, for a detector that is as good as before.
#
# ## 7 · What is it worth for boxes?
#
# **Predict.** AP with fifty scenes: tuned minus scratch.

# %%
ledger.predict("50 scenes, AP, tuned - scratch", ..., "difference in AP")

# %%
least = settings["score_threshold"]  # chosen on validation scenes
blank = trained(Detector, detection_loss, "detection", "scratch")
boxes_found = {"scratch": detect(blank, test.images), "tuned": found}
scored = {
    way: score_detections(one, test, least, hits_of, area_of) for way, one in boxes_found.items()
}
ledger.measured("50 scenes, AP, tuned - scratch", scored["tuned"]["ap"] - scored["scratch"]["ap"])
plots.show(
    draw_over_shipped("ap", {way: s["ap"] for way, s in scored.items()}, "AP at IoU 0.5"),
    caption="Average precision, mean over ten digits. Dots: five shipped seeds. Crosses: yours.",
    alt="Your seed: " + "; ".join(f"{way} {s['ap']:.2f}" for way, s in scored.items()),
)

# %% [markdown]
# The shipped runs again, average precision at an IoU of one half, mean over the ten digits; and
# **F1**, which takes the predictions with a score above a threshold that was fixed on validation
# scenes, and weighs precision and recall alike:
#
# | | 50 scenes | 200 scenes |
# |---|---|---|
# | AP, scratch | {{scenes.ap.50.scratch}} | {{scenes.ap.200.scratch}} |
# | AP, frozen | {{scenes.ap.50.frozen}} | {{scenes.ap.200.frozen}} |
# | AP, tuned | {{scenes.ap.50.tuned}} | {{scenes.ap.200.tuned}} |
# | **AP**: tuned - scratch | {{scenes.ap.50.gain}} | {{scenes.ap.200.gain}} |
# | F1, scratch | {{scenes.f1.50.scratch}} | {{scenes.f1.200.scratch}} |
# | F1, tuned | {{scenes.f1.50.tuned}} | {{scenes.f1.200.tuned}} |
# | **F1**: tuned - scratch | {{scenes.f1.50.gain}} | {{scenes.f1.200.gain}} |
#
# What does that save? Fifty scenes with transfer reach {{scenes.ap.50.tuned.mean}}, two hundred
# from scratch {{scenes.ap.200.scratch.mean}}; the difference is {{scenes.ap.quarter}}. And *frozen*
# again: with 200 scenes, frozen minus scratch is {{scenes.ap.200.frozen_gain}}. With enough labels,
# features that may not adapt to photographs hold the detector back.
#
# Two limits of what we measured. All ways were trained for the same number of steps, with a rate
# chosen for each on validation scenes; with many more steps and scenes, scratch would come closer
# (He, Girshick and Dollár 2019 found just that for large detectors). And the scenes are composed
# by a program. Real ones hide and crowd their objects.
#
# ## On real photographs
#
# Nuclei under a microscope: where are they? A biologist has drawn masks for **eight** images. The
# encoder is a MobileNetV2 that was trained on ImageNet's photographs: cats, cups and cars, and not
# one cell. The same three ways, scored on sixty other images by your `mean_iou`, nucleus or not.
# The cell needs two downloads, and says in one sentence what to do if they are not here.
#
# **Predict.** mIoU, tuned minus scratch?

# %%
ledger.predict("8 images of nuclei, tuned - scratch", ..., "difference in mIoU")

# %%
try:
    imagenet()
    few, others = nuclei.load("train", limit=8), nuclei.load("test", limit=60)
except CourseError as missing:
    print(missing)
else:
    MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    no_boxes = torch.zeros(8, 0, 4), torch.zeros(8, 0, dtype=torch.int64)
    drawn, nuclei_miou = {"a biologist": others.masks[:6]}, {}
    for way in ("scratch", "frozen", "tuned"):
        backbone = imagenet().backbone
        if way == "scratch":
            torch.manual_seed(SEED)
            for module in backbone.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
        # Four of its nineteen blocks give maps of the same steps as our backbone's.
        encoder = Encoder(backbone, (1, 3, 6, 13), (16, 24, 32, 96), lambda x: (x - MEAN) / STD)
        if way == "frozen":
            freeze(encoder)
        segmenter = Segmenter(encoder, n_classes=2, seed=SEED)
        own_nuclei = Scenes(few.images, few.masks, *no_boxes)
        fit_scenes(segmenter, own_nuclei, segmentation_loss, steps=40, lr=3e-3, seed=SEED)
        pred = segment(segmenter, others.images)
        nuclei_miou[way] = float(miou(pred, others.masks, 2))
        drawn[f"{way}, {nuclei_miou[way]:.2f}"] = pred[:6]
    ledger.measured(
        "8 images of nuclei, tuned - scratch", nuclei_miou["tuned"] - nuclei_miou["scratch"]
    )
    plots.show(
        plots.scene_masks(others.images[:6], drawn, names=[""]),
        caption="Nuclei, drawn by a biologist and by three segmenters that saw eight images. "
        "Beside each way: its mIoU on sixty others.",
        alt="; ".join(f"{way}: mIoU {score:.2f}" for way, score in nuclei_miou.items()),
    )

# %% [markdown]
# One draw of eight images is an anecdote, not a measurement. But look at the order of magnitude.
# "Nucleus or not" is a question about brightness and edges, and eight images hold many
# nuclei: there is little left for a pretrained encoder to give. It is "digit or not" once more.
#
# ## A question to think about
#
# One company wants to cut digits out of scans: digit or paper, nothing else. Another wants to read
# them. Both have fifty labelled scenes and may use your backbone. **To whom is it worth more, and
# why? Which number of this module says so?** Write two or three sentences before you open the
# answer.
#
# <details><summary>A model answer</summary>
#
# To the company that reads. What the backbone knows is how characters differ, and few labels cannot
# teach that: with fifty scenes, fine-tuning gains {{scenes.mask.50.gain.mean}} of mIoU where the
# digit must be named. Where "digit or not" is enough, it gains
# {{scenes.binary.50.gain.mean}}: brightness and edges are learned from scratch, since each scene
# has four thousand labelled pixels. So ask first what your task must know that your labels do not
# show often enough.
#
# </details>

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
# - Long, Shelhamer and Darrell 2015, *Fully Convolutional Networks for Semantic Segmentation*: a
#   classifier becomes a segmenter.
# - Ronneberger, Fischer and Brox 2015, *U-Net*: the decoder that we built, for few labelled images.
# - Lin et al. 2017, *Feature Pyramid Networks for Object Detection*; Lin et al. 2017, *Focal Loss
#   for Dense Object Detection*; Tian et al. 2019, *FCOS: Fully Convolutional One-Stage Object
#   Detection*: where the detector's parts come from.
# - Everingham et al. 2010, *The Pascal Visual Object Classes (VOC) Challenge*: matching and average
#   precision; Lin et al. 2014, *Microsoft COCO*: the same, stricter.
# - He, Girshick and Dollár 2019, *Rethinking ImageNet Pre-training*: with enough labels and
#   patience, detectors from scratch catch up.
#
# ## What comes next
#
# Here all weights of the encoder were trained once more, for each task a whole copy. In **07 ·
# Parameter-efficient transfer** a task gets a small addition instead.
