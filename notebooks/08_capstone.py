# %% [markdown]
# # 08 · Capstone: a study of your own
#
# A colleague comes to your desk. "I have a new task, a few labels and an afternoon. **Which method
# shall I take, and how much will it bring?**" You have met a dozen methods. You have also met the
# ways to fool yourself about them.
#
# There is no new method in this module. In about 90 minutes you will
#
# - look at four situations, or bring one of your own, and choose a method for one of them;
# - write down what you expect *before* you measure (`write_prediction`);
# - compare two methods under a protocol that holds (`run_study`), and see how a study is spoiled;
# - report what came out in 200 words, and make the page that shows your whole course.
#
# | part | minutes |
# |---|---|
# | 1 · Four situations · 2 · What you may choose from | 12 |
# | 3 · `write_prediction` | 15 |
# | 4 · `run_study` | 30 |
# | 5 · Your study | 8 |
# | Real photographs, perhaps your own | 5 |
# | 6 · The report | 20 |
# | 7 · The last page · 8 · The bug museum · Where to go from here | 10 |

# %%
try:
    import course_lib
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "The course's library is not installed here. On your own computer, start with the first "
        "command of the README. On Colab, run `%pip install git+ADDRESS`, where ADDRESS is the "
        "page of the course's repository, and then this cell again."
    ) from None

import math
from datetime import datetime
from html import escape
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import display
from scipy import stats
from threadpoolctl import threadpool_limits
from torch import nn

from course_lib import capstone, check, hint, plots, use
from course_lib.data import folder, photos
from course_lib.errors import CourseError
from course_lib.evidence import claims, ledger, museum, report, results, study
from course_lib.evidence.evaluate import evaluate
from course_lib.evidence.intervals import mean_interval, paired_effect
from course_lib.evidence.notes import Table
from course_lib.evidence.splits import k_shot_split
from course_lib.models.weights import imagenet
from course_lib.notebooks.build import course_root
from course_lib.notebooks.written import written_answer
from course_lib.transfer.features import extract_features
from course_lib.transfer.probe import fit_logistic

threadpool_limits(1)  # PyTorch and scikit-learn: work this small gains nothing from more threads
print(f"PyTorch {torch.__version__}, course {course_lib.__version__}: ready.")

# %% [markdown]
# ## 1 · Four situations
#
# A **situation** is a target task with a budget: so many labels, so many steps of training. Here
# are four. For each you see labelled images above, and below what the test will show.

# %%
tasks = {name: make() for name, make in capstone.SITUATIONS.items()}
for name, task in tasks.items():
    support, _ = k_shot_split(task.labels, task.n_shot, seed=0)
    some = support[task.labels[support].argsort()]
    some = some[:: len(some) // 10][:10]
    shown = torch.cat([task.images[some], task.test_images[:: len(task.test_images) // 10][:10]])
    plots.show(
        plots.image_grid(shown, columns=10),
        caption=f"“{name}”: {task.name}. Above: labelled images. Below: test images.",
        alt=f"Ten labelled images and ten test images of the situation: {task.name}.",
    )
Table(
    {
        "situation": name,
        "classes": len(task.labels.unique()),
        "labels of each": task.n_shot,
        "images without a label": 0 if task.unlabelled is None else len(task.unlabelled),
        "test images": len(task.test_labels),
    }
    for name, task in tasks.items()
)

# %% [markdown]
# Ask three questions of each of them. They are the questions to ask your colleague, too.
#
# 1. **How many labels?** Few labels cannot train many weights.
# 2. **Does the target look like the source?** Our backbone knows printed characters, white on
#    black. A photograph behind them is news to it.
# 3. **What else is there?** Images without labels are cheap, and some methods can use them.
#
# Or bring **a task of your own**: signs drawn by hand, stamps, leaves pressed on paper. Make a
# folder with one folder of images for each class, at least eight in each, and name it in the next
# cell. `folder.load` reads photographs as a phone takes them and brings them into the form that the
# backbone wants: 32 by 32, grey. (It says what is the matter if it cannot. Photographs of *things*
# are better served by a backbone that has seen things; for those there is a part further down.)

# %%
MY_FOLDER = "my_signs"


def own():
    """A folder of your own images, half of it for testing."""
    images, labels, _ = folder.load(MY_FOLDER, size=32, channels=1)
    if images.mean() > 0.5:  # dark on white; the backbone was trained on white on black
        images = 1 - images
    smallest = int(labels.bincount().min())
    pool, rest = k_shot_split(labels, smallest // 2, seed=0)
    return capstone.Situation(
        f"my own folder, {smallest // 4} labels each",
        *(images[pool], labels[pool], images[rest], labels[rest]),
        *(smallest // 4, "clean"),
    )


try:
    tasks["own"] = own()
    print(f"{len(tasks['own'].labels.unique())} classes of your own.")
except (CourseError, ValueError) as reason:
    print("No task of your own yet.", reason)

# %% [markdown]
# ## 2 · What you may choose from
#
# | method | what it does | module |
# |---|---|---|
# | scratch | train the same network from random weights | 03 |
# | nearest centroid | compare features with the mean of each class; nothing is trained | 05 |
# | freeze and probe | a logistic regression on frozen features | 01 |
# | fine-tune | train everything on, from the pretrained weights | 02 |
# | LP-FT | first the probe, then everything, gently | 02 |
# | fine-tune, then AdaBN | afterwards take batch-norm's statistics from unlabelled images | 04 |
# | MMD, then AdaBN | fine-tune while pulling the features of both domains together | 04 |
#
# The last two need images without labels, so they are for "no target label" only. Whatever trains
# a network gets the same budget: 100 steps of 32 images. The learning rates were chosen beforehand
# on other characters (three scripts that are in no situation), clean and on photographs. So nothing
# is left to tune, and nothing can be tuned on your test set.
#
# Each is a function `fit(images, labels, seed)` that returns a trained model. If you have an idea
# of your own, write such a function and put it into `methods`.

# %%
settings = results.settings("capstone")


def methods_for(task):
    """Every method that this situation allows: name -> fit(images, labels, seed)."""
    return capstone.methods(settings["rates"][task.rates], settings["steps"], task.unlabelled)


print("learning rates:", settings["rates"])
print("chosen on:", settings["chosen_on"])

# %% [markdown]
# **Choose.** One situation, one method, and what you compare it with. (The baseline need not be
# scratch: "does LP-FT beat the probe?" is a question, too.)

# %%
SITUATION = "few labels"  # or "clutter", "no target label", "one-shot", "own"
METHOD, BASELINE = "freeze and probe", "scratch"

task = tasks[SITUATION]
methods = methods_for(task)
print(f"{task.name}: {METHOD} - {BASELINE}")

# %% [markdown]
# ## 3 · First the prediction: `write_prediction`
#
# Once a result is known it looks obvious. We find reasons for it, we remember that we expected it,
# and if a study had five outcomes, we report the one that came out well. None of this needs bad
# will.
#
# The remedy is old and cheap: say *before* the run what you will measure, with which methods, and
# what you expect. It is called **preregistration**. Medicine asks for it, and so do you, from now
# on. A good prediction is a number **and a range**: how sure are you? A range that holds everything
# is never surprised, and says nothing.
#
# ### Exercise: `write_prediction`
#
# {{exercise write_prediction}}
#
# It refuses what is no prediction: numbers that are not finite, or a gain outside its own range.
# Gains may be negative, and may lie at an end of the range. And it notes the time, in any form you
# like: the moment of the *call*.


# %% nbgrader={"grade_id": "write_prediction", "solution": true}
def write_prediction(situation, method, gain, low, high):
    """Return a dict with the keys situation, method, gain, low, high and time.

    time is the moment of the call, in any form. Unless all three numbers are finite and
    low <= gain <= high, raise a ValueError with a sentence.
    """
    ### BEGIN SOLUTION
    if not all(math.isfinite(number) for number in (gain, low, high)):
        raise ValueError("A prediction needs three finite numbers.")
    if not low <= gain <= high:
        raise ValueError(f"The gain {gain} does not lie between {low} and {high}.")
    return {
        "situation": situation,
        "method": method,
        "gain": gain,
        "low": low,
        "high": high,
        "time": datetime.now(),
    }
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-write_prediction"}
check("write_prediction")

# %% [markdown]
# **Predict.** By how much will your method be ahead of the baseline, in accuracy (0.1 is ten
# points)? Between which numbers would you bet that it lies? You may look back at every module; that
# is what they are for. You may revise it, too, until the study has been run. Nobody marks you on
# being right.

# %%
GAIN, LOW, HIGH = ..., ..., ...

predict_with = use("write_prediction")
question = f"{task.name}: {METHOD} - {BASELINE}"
if ... in (GAIN, LOW, HIGH):
    prediction = None
    print("No prediction yet: replace the three ... by numbers. Your study can wait for it.")
else:
    prediction = predict_with(task.name, f"{METHOD} - {BASELINE}", GAIN, LOW, HIGH)
    study.preregister(prediction)
    ledger.predict(question, GAIN, "gain in accuracy")
    print(f"Kept: {GAIN:+.3f}, between {LOW:+.3f} and {HIGH:+.3f}, at {prediction['time']}.")

# %% [markdown]
# ## 4 · Then the measurement: `run_study`
#
# You have every part of it. `k_shot_split` draws labelled images, `evaluate` measures, and
# `paired_effect` gives the interval. What is new is that they are *one* function, which nobody has
# to remember how to use. Its rules are the protocol of module 00:
#
# - **Paired.** For each seed both methods get the same labelled images, and each gets that seed.
# - **Fresh.** Each seed draws images of its own. Which ones, depends on labels, `n_shot` and the
#   seed alone, so anybody can repeat one round.
# - **Untouched.** The test set takes no part in a fit. Each fitted model is measured on it once.
# - **Complete.** Every seed is run with both, and reported, whatever it says.
# - **Decided by the interval.** Above 0 "helps", below 0 "hurts", else "undecided".
#
# The fourth rule sounds harmless. So let us break it.
#
# ### The classic bug: stop when it looks clear
#
# ```diff
# - for seed in count(): run(seed); if interval_excludes_zero(): break
# + for seed in range(10): run(seed)
# ```
#
# Runs are expensive. Why go on when the interval already excludes 0? We invent five thousand
# studies of two methods that are **equally good**. Each plans for ten seeds. The honest ones run
# all ten and look once. The impatient ones look after three, after four, and so on, and stop as
# soon as their 95 % interval excludes 0. An interval of 95 % errs in 5 % of studies.
#
# **Predict.** In what share of the impatient studies is one of two equal methods declared better?

# %%
ledger.predict("equal methods told apart, stopping when it looks clear", ..., "share of studies")

# %%
differences = np.random.default_rng().normal(size=(5000, 10))  # no true difference


def excludes_zero(d):
    """For each study, a row: does its 95 % t interval exclude 0?"""
    half = stats.t.ppf(0.975, df=d.shape[1] - 1) * stats.sem(d, axis=1)
    return abs(d.mean(axis=1)) > half


looks = {n: excludes_zero(differences[:, :n]) for n in range(3, 11)}
found = np.maximum.accumulate(np.stack(list(looks.values())))  # "helps" or "hurts" by then
shares = {}
for name, wrong in {"ten seeds, one look": looks[10], "a look after each seed": found[-1]}.items():
    share, error = wrong.mean(), 1.96 * wrong.std() / np.sqrt(len(wrong))
    shares[name] = (share, share - error, share + error)
ledger.measured(
    "equal methods told apart, stopping when it looks clear", *shares["a look after each seed"]
)
plots.show(
    plots.intervals(shares, "share of studies that find a difference", reference=0.05),
    caption="There is nothing to find. The dashed line is what a 95 % interval promises.",
    alt="; ".join(f"{name}: {share:.3f}" for name, (share, _, _) in shares.items()),
)

# %% [markdown]
# (Over ten draws of ours: {{bugs.stopping.planned}} and {{bugs.stopping.clear}}.) Every look is
# another chance to be lucky, and the impatient take the first one they get. Dropping the seed that
# "did not converge" does the same in another place. If you want more seeds, run a *new* study with
# more seeds.
#
# ### A second one: two splits
#
# ```diff
# - a = fit_a(*draw(labels, seed));  b = fit_b(*draw(labels, seed + 1))
# + support = draw(labels, seed);  a = fit_a(*support);  b = fit_b(*support)
# ```
#
# It happens when each method has a script of its own. With ten seeds of "few labels", probe against
# nearest centroid, the interval becomes {{bugs.two_splits.width}} as wide: the luck of two
# different splits is in it. It is no lie. It is money thrown away.
#
# ### Exercise: `run_study`
#
# {{exercise run_study}}
#
# Write the protocol down as code. What cannot be run (fewer than two seeds, one of them twice, a
# class that is too small) is refused *before* anything is fitted: half a study is worse than none.


# %% nbgrader={"grade_id": "run_study", "solution": true}
def run_study(fit_a, fit_b, images, labels, test_images, test_labels, n_shot, seeds):
    """Return dict(a (S,), b (S,), mean, low, high, verdict): method a against baseline b.

    fit(images, labels, seed) gives a trained model; each method is fitted once per seed, both on
    the same n_shot examples per class, drawn from labels, n_shot and seed alone. a and b are test
    accuracies in the order of seeds, the test set seen once by each model. mean, low, high: of
    a - b, Student's t as in paired_effect. verdict: "helps" if low > 0, "hurts" if high < 0, else
    "undecided".
    Before any fit, a ValueError with a sentence: fewer than 2 seeds, a seed twice, a class too
    small.
    """
    ### BEGIN SOLUTION
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise ValueError("A study needs at least two seeds, all of them different.")
    supports = [k_shot_split(labels, n_shot, seed)[0] for seed in seeds]
    a, b = [], []
    for seed, support in zip(seeds, supports, strict=True):
        for fit, accuracies in ((fit_a, a), (fit_b, b)):
            model = fit(images[support], labels[support], seed)
            accuracies.append(evaluate(model, test_images, test_labels))
    mean, low, high = paired_effect(a, b)
    verdict = "helps" if low > 0 else "hurts" if high < 0 else "undecided"
    return {"a": a, "b": b, "mean": mean, "low": low, "high": high, "verdict": verdict}
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-run_study"}
check("run_study")

# %% [markdown]
# ## 5 · Your study
#
# Five seeds, fixed now. (Draw other numbers if you like; then do not draw again.)

# %%
SEEDS = [101, 102, 103, 104, 105]

measure = use("run_study")
result = measure(
    methods[METHOD], methods[BASELINE],
    task.images, task.labels, task.test_images, task.test_labels, task.n_shot, SEEDS,
)  # fmt: skip
if prediction is not None:
    study.conclude(prediction, result)
    ledger.measured(question, result["mean"], result["low"], result["high"])
print("{verdict}: {mean:+.3f} [{low:+.3f}, {high:+.3f}]".format(**result))

# %%
plots.show(
    plots.paired_dots(result["b"], result["a"], (BASELINE, METHOD)),
    caption=f"{task.name}. Each line is one seed: the same labelled images for both.",
    alt=f"Accuracies over {len(SEEDS)} seeds: {BASELINE} {np.mean(result['b']):.3f}, "
    f"{METHOD} {np.mean(result['a']):.3f} on average.",
)
effects = {"measured": tuple(result[key] for key in ("mean", "low", "high"))}
if prediction is not None:
    effects = {"predicted (your range)": (GAIN, LOW, HIGH)} | effects
rows = effects.items()
plots.show(
    plots.intervals(effects, f"accuracy, {METHOD} - {BASELINE}", reference=0),
    caption="Did the measurement fall into your range? Dashed: no gain at all.",
    alt="; ".join(f"{name}: {m:+.3f} [{lo:+.3f}, {hi:+.3f}]" for name, (m, lo, hi) in rows),
)

# %% [markdown]
# ### Beside the others
#
# Only now look at the rest. Here are all methods in this situation, over the seeds that ship with
# the course, and your two below them. (Had you seen this first, your prediction would have been a
# copy.)

# %%
shipped = results.numbers()
everybody = {}
for name in methods:
    if number := shipped.get(f"capstone.{SITUATION}.{name}"):
        everybody[name] = (number["mean"], number["low"], number["high"])
everybody[f"yours: {METHOD}"] = mean_interval(result["a"])
everybody[f"yours: {BASELINE}"] = mean_interval(result["b"])
plots.show(
    plots.intervals(everybody, f"test accuracy, {task.name}"),
    caption="The methods side by side. Intervals of accuracies overlap more easily than methods "
    "are equal: what decides is the paired difference.",
    alt="; ".join(f"{name}: {mean:.3f}" for name, (mean, _, _) in everybody.items()),
)

# %% [markdown]
# And all four situations, as gains over scratch, ten seeds each (five where no label is):

# %%
names = [name for name in methods_for(tasks["no target label"]) if name != "scratch"]
Table(
    {"situation": name}
    | {way: shipped.get(f"capstone.{name}.{way}.gain", {"text": ""})["text"] for way in names}
    for name in capstone.SITUATIONS
)

# %% [markdown]
# Read it line by line.
#
# - **Few labels**, and the target looks like the source: every transfer method is ahead of scratch.
#   Which of them you take matters less than that you take one.
# - **One-shot**: the gains are huge, and fine-tuning keeps less of them
#   ({{capstone.one-shot.fine-tune.gain.mean}}) than a head on frozen features. Twenty images cannot
#   guide 300,000 weights.
# - **Clutter**: the frozen probe is behind scratch, {{capstone.clutter.freeze and probe.gain}}. The
#   backbone has never seen a background, and no head can take out of the features what they mix.
#   Two hundred labels can teach a network to look past photographs, and there a start from letters
#   pays: fine-tuning is at {{capstone.clutter.fine-tune.gain}}. LP-FT, which keeps batch-norm's
#   statistics of clean letters, is at {{capstone.clutter.LP-FT.gain}}.
# - **No target label**: fine-tuning on clean digits is far *behind* the same training from scratch,
#   {{capstone.no target label.fine-tune.gain}}: negative transfer. AdaBN repairs most of it
#   ({{capstone.no target label.adabn}} over fine-tuning alone), for the price of one forward pass.
#   MMD adds {{capstone.no target label.mmd}} to that, {{capstone.no target label.mmd.verdict}}. And
#   scratch, which no aligner had a hand in, is ahead still. (Scratch with AdaBN is one you could
#   try: it is a function of three lines.)
#
# It is one backbone and one set of methods. What differs is the situation. So there is no best
# method to remember. There are questions to ask, and a study to run.
#
# ## On real photographs, perhaps your own
#
# Things want a backbone that has seen things: MobileNetV2, trained on ImageNet. The trick of module
# 01 makes a study on photographs cheap. Its features are computed **once**, and the "images" of the
# study are these features. `run_study` does not mind.
#
# The question: with five labels per class, is a logistic regression on the features better than
# nearest centroid? Name a folder of your own (one folder of photographs for each class, at least
# twelve in each), or take the ants and bees.

# %%
MY_PHOTOS = "my_photos"


def logistic(features, labels, seed):
    """Freeze and probe; the features are frozen already."""
    scale = 10 / features.norm(dim=1).mean()
    weight, bias = fit_logistic(scale * features, labels, strength=1.0)
    return linear(scale * weight, bias)


def centroid(features, labels, seed):
    """Nearest centroid by cosine, as a linear layer."""
    means = [features[labels == k].mean(dim=0) for k in range(int(labels.max()) + 1)]
    return linear(F.normalize(torch.stack(means), dim=1), torch.zeros(len(means)))


def linear(weight, bias):
    """A linear layer with these weights."""
    layer = nn.Linear(*weight.T.shape)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


try:
    network = imagenet()
    if Path(MY_PHOTOS).is_dir():
        taken = folder.load(MY_PHOTOS, size=128)
        part, rest = k_shot_split(taken.labels, int(taken.labels.bincount().min()) // 2, seed=0)
        train, held_back = ((taken.images[p], taken.labels[p]) for p in (part, rest))
    else:
        train, held_back = photos.load("train", 128)[:2], photos.load("val", 128)[:2]
except CourseError as missing:
    print(missing)
else:
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)  # ImageNet's, per colour
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    seen, unseen = (
        extract_features(network, (images - mean) / std, batch_size=32)
        for images in (train[0], held_back[0])
    )
    photo_result = measure(
        logistic, centroid, seen, train[1], unseen, held_back[1], n_shot=5, seeds=range(10)
    )
    plots.show(
        plots.paired_dots(photo_result["b"], photo_result["a"], ("centroid", "logistic")),
        caption="Photographs, five labels per class, ten seeds. Logistic - centroid: "
        "{mean:+.3f} [{low:+.3f}, {high:+.3f}], {verdict}.".format(**photo_result),
        alt=f"Accuracies over ten seeds: centroid {np.mean(photo_result['b']):.2f}, "
        f"logistic {np.mean(photo_result['a']):.2f} on average.",
    )

# %% [markdown]
# ## 6 · The report
#
# {{exercise report}}
#
# A study that nobody can read did not happen. Write it down **in at most 200 words**, for the
# colleague at your desk:
#
# - the **question**: which situation, which method, against what, and what you predicted;
# - the **result**: both accuracies, the gain with its interval, how many seeds, and the verdict;
# - **why**, as far as you can tell: what is it about this situation? If your prediction was off,
#   what had you overlooked?
# - the **limits**: what does your interval not cover? What would you run next?
#
# A person reads it and gives 0 to 2 points:
#
# | points | for |
# |---|---|
# | 1 | question and result, complete, with a verdict that follows from the interval |
# | 1 | a reason tied to the situation, and a limit that the interval does not cover |
#
# Complete means: the prediction, both accuracies, the gain with its interval, and the number of
# seeds. Being right earns nothing, and being wrong costs nothing. A report of more than 200 words,
# or a claim that the interval does not carry, loses one point.

# %% [markdown] nbgrader={"grade_id": "report", "solution": true}
# **Question.** Digits on photographs, 20 labels of each. Does a probe on the frozen backbone beat
# training from scratch, in 100 steps? I predicted a gain of +0.05 [-0.02, 0.12]: few labels.
#
# **Result.** Ten seeds, the same 200 images for both. Probe {{capstone.clutter.freeze and probe}},
# scratch {{capstone.clutter.scratch}}. The gain is
# {{capstone.clutter.freeze and probe.gain}}: it hurts. My range was off, on the side of hope.
#
# **Why.** I had looked at the number of labels only. The backbone has never seen a background. Its
# features mix stroke and photograph, and a linear head cannot take them apart; scratch may change
# its first filters, and 200 images are enough for that. Clean digits, two labels each, are the
# control: there the same probe gains {{capstone.few labels.freeze and probe.gain}}.
#
# **Limits.** The interval covers the draw of labelled images. It does not cover the backbone (one
# pretraining run), the photographs (three, in halves) or other budgets. And frozen is not all of
# transfer: fine-tuning is at {{capstone.clutter.fine-tune.gain}}. Next I would pretrain on letters
# with photographs behind them.

# %% [markdown]
# ## 7 · The last page
#
# The article made eight claims. Here they are once more, with your numbers beside them.

# %%
claims.board()

# %% [markdown]
# And here is what you predicted, over the whole course, beside what came out. Look for a pattern.
# Were you too hopeful about transfer? Were you closer in the later modules than in the first?

# %%
try:
    plots.show(
        plots.ledger(ledger.rows()),
        caption="All predictions of the course and what was measured. Where was the surprise?",
        alt="A row for each prediction of yours, beside the measured value with its interval.",
    )
except ValueError as nothing_yet:
    print(nothing_yet)

# %% [markdown]
# The next cell puts all of it on **one page**: the claims with your verdicts, your predictions,
# your study and your report. It is a single file that loads nothing and sends nothing; it can be
# mailed, printed, put on the web, and read on a phone. Nothing is on it but what you measured and
# typed.
#
# Your report is taken from this notebook as it was last *saved*: press **Ctrl + S** first. Put your
# name between the quotes if it shall stand on the page. (In a terminal, `course report` writes the
# same page.)

# %%
NAME = ""

try:
    text = written_answer(course_root(), "report")
except CourseError:  # this notebook is not in the course's folder
    text = ""
page = report.write(text, NAME)
print(page)
frame = (
    f'<iframe srcdoc="{escape(page.read_text(encoding="utf-8"))}" title="Your last page" '
    'style="width:100%;height:36rem;border:1px solid #999;box-sizing:border-box"></iframe>'
)
display({"text/html": frame, "text/plain": str(page)}, raw=True)

# %% [markdown]
# ## 8 · The bug museum
#
# The classic bugs of this course, as the lines that make the difference, and what each cost when we
# measured it. None of them raises an error. Read them before your next project; once more when its
# numbers look too good.
#
# A bug whose cost nobody measured is not here. You met two of those: `softmax` before
# `cross_entropy` (module 00), and gradients left behind in a frozen model (module 01).

# %%
museum.exhibits()

# %% [markdown]
# ## Where to go from here
#
# **For the colleague at your desk**, in five sentences. Ask for the number of labels, the
# difference from the source, and what is there without labels. Begin with frozen features and a
# simple head: it takes a minute, and it is the baseline that everything else has to beat. Fine-tune
# when labels are many, or when the images look different from the source. Keep scratch and pixels
# in every comparison. And write the prediction down first.
#
# **Next steps.** Repeat your study with other seeds, or somebody else's study with yours. Take
# another backbone from torchvision, and see which verdicts survive. Bring the folder of photographs
# that you have always wanted to sort.
#
# **To read.**
#
# - Munafò et al. 2017, *A manifesto for reproducible science*: preregistration and its relatives.
# - Simmons, Nelson and Simonsohn 2011, *False-Positive Psychology*: how freedom in collecting and
#   analysing data finds anything.
# - Musgrave, Belongie and Lim 2020, *A Metric Learning Reality Check*, and Gulrajani and Lopez-Paz
#   2021, *In Search of Lost Domain Generalization*: what remains of years of progress when all
#   methods get the same protocol.
# - Zhai et al. 2019, *A Large-scale Study of Representation Learning with the Visual Task
#   Adaptation Benchmark*: transfer over many targets, a thousand labels each.
# - Kornblith, Shlens and Le 2019, *Do Better ImageNet Models Transfer Better?*
#
# That was the course. You came with an article's claims. You leave with numbers, intervals and
# verdicts of your own, and with the tools to make more of them. Thank you for checking.
