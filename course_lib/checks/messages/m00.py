"""What a learner reads about the exercises of module 00."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "n_correct": {
        "per_image": Message(
            "The result is one number for all images together.",
            "Comparing two tensors gives one True or False for each image; the count of the True "
            "ones is still to come.",
            "What does adding up a tensor of True and False give?",
        ),
        "share": Message(
            "The result is how many predictions are right, a whole number.",
            "This is the share: somewhere the number was divided by the number of images.",
            "Look for a mean or a division.",
        ),
        "mistakes": Message(
            "The result counts the predictions that are right.",
            "This is exactly the number of the other images, those where prediction and label "
            "differ.",
            "Check the comparison between prediction and label.",
        ),
        "smallest": Message(
            "The predicted class is the one with the largest logit.",
            "This is the number one gets when the *smallest* logit decides. A logit is no distance "
            "and no loss: larger means more likely.",
            "Take one row of logits and find the predicted class by eye.",
        ),
        "whole": Message(
            "Every image gets a prediction of its own.",
            "The largest logit was looked for in the whole table, not in each row, so one position "
            "was compared with all the labels.",
            "Print the shape of your predictions: there should be N of them.",
        ),
        "threshold": Message(
            "An image counts when the label's logit is the largest of its row, whatever its value.",
            "A fixed threshold was used, such as a positive logit or a probability above one half. "
            "With many classes, the largest probability is often below one half.",
            "Compare classes with each other, not with a constant.",
        ),
        "squashed": Message(
            "Only the order of a row's logits counts, however large they are.",
            "Different logits seem to have become equal. In float32 a sigmoid is exactly 1 for "
            "every logit above 17.",
            "What are the sigmoids of 20 and of 40? Is there a need for them at all?",
        ),
        "magnitude": Message(
            "The largest logit of a row wins, not the one farthest from 0.",
            "This is the count for the largest absolute value. A logit far below 0 speaks against "
            "its class.",
            "Which class has the largest of the logits -9, 1 and 2?",
        ),
        "negative": Message(
            "The largest logit of a row wins, also if all of them are negative.",
            "Negative logits seem to count as nothing. A logit is no probability: only its "
            "distance to the others says something.",
            "Which class has the largest of the logits -3, -1 and -2?",
        ),
        "ten_classes": Message(
            "The number of classes is read from the logits: any K works.",
            "This is the count over the labels 0 to 9 only. Not every dataset has ten classes.",
            "Look for a 10 or a 9 in your code.",
        ),
        "constant": Message(
            "The result depends on the logits and the labels.",
            "The same number came back for quite different inputs.",
            "Look at what stands after `return`: is it computed from the arguments?",
        ),
        "value": Message(
            "The result is the number of rows whose largest logit stands at the label.",
            "Perhaps some rows are left out, or the prediction is not the position of the largest "
            "logit in its row.",
            "Make three rows of logits by hand, count yourself, and compare.",
        ),
    },
    "evaluate": {
        "train_mode": Message(
            "The model is asked as it will be used: every forward pass runs in eval mode.",
            "In train mode dropout is on and batch-norm uses the statistics of the batch, and also "
            "stores them: the same image gets other logits in other company. `torch.no_grad()` "
            "does not change that.",
            "Which method of a module switches the mode? Call it before the first forward pass.",
        ),
        "random state": Message(
            "The global random state is the same after the call as before it.",
            "Something drew from torch's global generator. A `DataLoader` does so each time one "
            "loops over it, also without shuffling.",
            "Slice the tensors instead, or give the `DataLoader` a `generator` of its own.",
        ),
        "graph": Message(
            "The forward passes keep no graph for gradients.",
            "Eval mode and gradients are two different things: in eval mode autograd still stores "
            "every intermediate result, and the memory grows with every batch. Detaching the "
            "logits afterwards comes too late for the batch that is running.",
            "Which context manager tells torch that nobody will ask for gradients?",
        ),
        "model_changed": Message(
            "After the call every parameter and buffer of the model is what it was.",
            "To evaluate is to look, not to touch: a changed data type, a reset statistic or a "
            "flag switched off stays with the caller.",
            "Look for calls that change a module in place, or work on a copy.",
        ),
        "left_in_eval": Message(
            "The model leaves in the mode in which it came, here train mode.",
            "After your function the model is still in eval mode. A training loop that goes on "
            "would train without dropout and with frozen batch-norm statistics, and nobody would "
            "see it.",
            "Remember the mode before you change it, and put it back before you return.",
        ),
        "part_modes": Message(
            "Every *part* of the model leaves in the mode in which it came.",
            "The model came in train mode with one part of it in eval mode, as a frozen part is. "
            "One flag for the whole cannot bring that back.",
            "`model.modules()` lists the parts. What would you have to note before `eval()`?",
        ),
        "left_in_train": Message(
            "The model leaves in the mode in which it came, here eval mode.",
            "Your function ends by switching to train mode, whatever the mode was before.",
            "Remember the mode before you change it, and put back that one.",
        ),
        "batch_mean": Message(
            "Accuracy is the number of right answers over the number of images.",
            "This is the mean of the accuracies of the batches, or a division by full batches. The "
            "last batch is smaller here, so its images got more, or less, weight than the others.",
            "What must you collect from each batch, so that one division at the end is enough?",
        ),
        "last_batch_lost": Message(
            "Every image counts once, also when N is not divisible by `batch_size`.",
            "The images of the last, smaller batch are missing.",
            "Where does the last batch begin and end, for N = 10 and batches of 4?",
        ),
        "one_batch": Message(
            "The accuracy covers all batches.",
            "This is the accuracy of one batch only: perhaps a `return` inside the loop, or a "
            "variable that each batch overwrites.",
            "Follow your running total through two rounds of the loop.",
        ),
        "count": Message(
            "The result is a share between 0 and 1.",
            "A number of right answers is there, but it was not divided by the number of images.",
            "By what must a count be divided to become an accuracy?",
        ),
        "percent": Message(
            "The result is a share between 0 and 1.",
            "This is the accuracy in percent.",
            "Leave the factor 100 to whoever prints it.",
        ),
        "errors": Message(
            "The result is the share of answers that are right.",
            "This is the error rate, one minus the accuracy.",
            "Check the comparison between prediction and label.",
        ),
        "class_mean": Message(
            "Every image counts the same.",
            "This is the mean of the accuracies of the classes (balanced accuracy), in which an "
            "image of a rare class weighs more than one of a frequent class.",
            "With nine images of one class and one of another: what does each image count for?",
        ),
        "ten_classes": Message(
            "Every label counts, whatever the number of classes.",
            "Only the labels 0 to 9 were counted as right. Not every dataset has ten classes.",
            "Look for a 10 or a 9 in your code.",
        ),
        "constant": Message(
            "The result depends on the model, the images and the labels.",
            "The same number came back for quite different models.",
            "Look at what stands after `return`: is it computed from the arguments?",
        ),
        "value": Message(
            "The result is the number of right answers over the number of images.",
            "Perhaps images and labels are no longer in step, or the prediction is not the class "
            "with the largest logit.",
            "Evaluate three images by hand, one at a time, and compare.",
        ),
        "empty": Message(
            "Without images there is no accuracy, and the function says so with a `ValueError`.",
            "Zero divided by zero is no number; a 0, a NaN or another exception deep inside leaves "
            "the reader guessing.",
            "Check the number of images first, and raise with a sentence about it.",
        ),
    },
    "k_shot_split": {
        "pair": Message(
            "The function returns two things: the support indices and the rest indices.",
            "Perhaps only one side is returned, or one list per class.",
            "Compare your `return` with the signature.",
        ),
        "shape": Message(
            "Each side is one flat sequence of indices.",
            "`nonzero()` of a tensor gives a column, one row for each hit; and one list per class "
            "is a table.",
            "Print the shape of what you return; it should have one axis.",
        ),
        "mask": Message(
            "The sides are indices: positions in `labels`.",
            "A mask of True and False says the same in another form, but the callers of this "
            "function expect positions.",
            "How do you get from a mask to the positions of its True entries?",
        ),
        "labels": Message(
            "The sides are positions in `labels`, with which a caller can pick images.",
            "These are the labels found there, not where they were found.",
            "Follow one example: at which step does its position get lost?",
        ),
        "range": Message(
            "Every index lies between 0 and N - 1.",
            "Perhaps counting started at 1, or at the end.",
            "Print the smallest and the largest index next to `len(labels)`.",
        ),
        "within_class": Message(
            "The sides are positions in `labels`, counted over all N examples.",
            "These seem to be positions *within* each class: the third 7, not the place where it "
            "stands in `labels`.",
            "You have drawn a number for an example of a class. How do you get from there to where "
            "that example stands in `labels`?",
        ),
        "repeats": Message(
            "Each side holds an index at most once.",
            "Drawing with replacement can give the same example twice: then there are fewer "
            "examples than it seems.",
            "Does your draw put the example back? `randint` and `choices` do.",
        ),
        "overlap": Message(
            "No example is in both sets.",
            "If support examples are also in the rest, a model is tested on what it was trained "
            "on, and looks better than it is.",
            "What must be taken away before the rest is the rest?",
        ),
        "n_shot_in_total": Message(
            "The support set has n_shot examples of *every* class.",
            "Here are n_shot examples in all. '5-shot' counts for each class.",
            "How large must the support set be with {n_shot} shots and 4 classes?",
        ),
        "missed_class": Message(
            "Every class that occurs in `labels` is drawn from, whatever integers are used.",
            "Some classes got nothing. Labels need not be 0, 1, 2, …: there may be gaps, and "
            "negative numbers too.",
            "Ask `labels` which classes there are, rather than counting from 0.",
        ),
        "unstratified": Message(
            "The support set has exactly n_shot examples of every class.",
            "A random draw from all examples follows the class sizes: large classes get more, and "
            "by chance a small one gets nothing. A split in fixed proportions does so too.",
            "Draw within each class separately.",
        ),
        "lost": Message(
            "Support and rest together hold every index.",
            "Some examples are on neither side; the rest is everything that is not in the support "
            "set, of every class and without a limit.",
            "Compare the lengths of both sides with `len(labels)`.",
        ),
        "same_seed": Message(
            "The same seed gives the same sets, today and tomorrow.",
            "Something besides the seed decides: a generator that was never seeded, the clock, or "
            "one that goes on from call to call.",
            "Where does your generator come from, and does it get the seed in every call?",
        ),
        "other_seed": Message(
            "Another seed gives another support set.",
            "Perhaps the first examples of each class are taken, or a fixed seed is used. "
            "Shuffling the chosen ones afterwards changes their order, not the choice.",
            "Where does `seed` enter your draw?",
        ),
        "exactly_enough": Message(
            "A class with exactly n_shot examples is enough; the rest may be empty.",
            "A comparison with `<=` where the class has to have *fewer* than n_shot, or a tool "
            "that refuses an empty rest.",
            "Try n_shot = 2 with the labels 0, 0, 1, 1.",
        ),
        "too_few": Message(
            "A class with fewer than n_shot examples is refused with a `ValueError`.",
            "A slice that is too long gives what there is and says nothing: so the class gets "
            "fewer examples than promised, silently.",
            "Compare the size of each class with n_shot, and raise with a sentence that names the "
            "class.",
        ),
    },
    "paired_effect": {
        "order": Message(
            "The three results stand in the order mean, low, high.",
            "The right numbers, it seems, in another order.",
            "Compare your `return` with the signature.",
        ),
        "sign": Message(
            "The mean is that of a minus b: positive when a is ahead.",
            "The two have changed places.",
            "Try it with an `a` that is larger than `b` everywhere.",
        ),
        "absolute": Message(
            "A difference keeps its sign.",
            "With absolute values a method that wins as often as it loses seems to have an effect.",
            "Look for an `abs` or a square root of a square.",
        ),
        "one_method": Message(
            "The result is about the difference between the two methods.",
            "This is the mean of `a` alone.",
            "What is measured on each seed, so that a lucky split counts for both?",
        ),
        "median": Message(
            "The centre is the mean of the differences.",
            "This is their median.",
            "Compare your first result with the signature.",
        ),
        "constant": Message(
            "The result depends on a and b.",
            "The same number came back for quite different inputs.",
            "Look at what stands after `return`: is it computed from the arguments?",
        ),
        "mean": Message(
            "The first result is the mean of a minus b, in the unit of a and b.",
            "Perhaps another quantity was averaged, such as a ratio, or some seeds are left out.",
            "Compute it by hand for three pairs.",
        ),
        "offsets": Message(
            "low and high are the ends of the interval, on the same scale as the mean.",
            "These look like distances from the mean: what stands behind a ±.",
            "Where on the number line does your interval begin and end?",
        ),
        "centre": Message(
            "The interval lies around the mean difference.",
            "The mean is right, but the ends lie around another point, or one of them is on the "
            "mean: a 95 % interval here leaves 2.5 % on each side.",
            "Print mean - low and high - mean.",
        ),
        "zero_width": Message(
            "When every seed shows the same difference, the interval has no width: both ends are "
            "the mean.",
            "A spread of zero was not allowed for. Some library functions return NaN when they get "
            "a scale of zero; and if a and b are treated one by one, their spread stays.",
            "Call your function with b = [1, 2, 3] and a = [2, 3, 4].",
        ),
        "unequal": Message(
            "a and b of different lengths are no pairs, and are refused with a `ValueError`.",
            "`zip` silently drops the surplus, and a single number is silently repeated "
            "(broadcast). torch raises a RuntimeError, and not always.",
            "Compare the lengths first, and raise with a sentence that says both.",
        ),
        "two_seeds": Message(
            "Two pairs are enough for an interval, a wide one; only fewer are refused.",
            "A comparison with `<=` where there have to be *fewer* than two.",
            "What does your condition say for exactly two pairs?",
        ),
        "one_seed": Message(
            "One pair is refused with a `ValueError`: an interval needs at least two.",
            "With one difference there is no spread to measure; NaN or a zero width would pretend "
            "something else.",
            "Check the number of pairs first, and raise with a sentence.",
        ),
        "unpaired": Message(
            "The interval is that of the differences, seed by seed.",
            "This is the width one gets from the spread of a and of b separately, or with other "
            "pairs. A lucky split lifts both methods, so most of that spread cancels in the "
            "difference.",
            "Which one list of numbers, one for each seed, is left when the luck of the split is "
            "taken out?",
        ),
        "spread": Message(
            "The interval is about the *mean* difference and gets narrower with more seeds.",
            "This is the spread of the single differences (their standard deviation, range or "
            "percentiles). The standard error of the mean is smaller.",
            "How does the uncertainty of a mean depend on the number of values?",
        ),
        "no_root": Message(
            "The standard error falls with the square root of the number of seeds.",
            "The standard deviation was divided by the number itself, so the interval is far too "
            "narrow.",
            "Four times as many seeds should make it half as wide.",
        ),
        "one_se": Message(
            "The interval covers the truth in 95 of 100 studies.",
            "This is one standard error to each side, which covers about 68 % with many seeds, and "
            "less with five.",
            "How many standard errors belong to 95 %, for this number of seeds?",
        ),
        "level": Message(
            "The interval covers the truth in 95 of 100 studies, with 2.5 % on either side.",
            "This is the width of a 90 % or of a 99 % interval. With .95 as the argument of a "
            "quantile function 5 % lie on *each* side.",
            "How much probability lies below the upper end of a 95 % interval?",
        ),
        "few_seeds": Message(
            "The interval keeps its 95 % with five seeds too.",
            "With 30 seeds this is fine; with five it is too narrow. The standard deviation of "
            "five values is itself a rough guess. 1.96 takes it for the truth and covers 88 %, a "
            "percentile bootstrap draws from five values only and covers 84 %; Student's t allows "
            "for the guess and covers 95 %.",
            "Which distribution was made for a mean of few values with an unknown spread?",
        ),
        "population": Message(
            "The spread of a sample is its sum of squares over n - 1.",
            "It was divided by n: `numpy.std` does so unless told otherwise (`torch.std` does "
            "not). With five seeds the interval is 11 % too narrow.",
            "Which argument of `numpy.std` sets the divisor?",
        ),
        "degrees": Message(
            "Student's t has n - 1 degrees of freedom for a mean of n differences.",
            "The interval is off by exactly what one or two degrees of freedom more would make.",
            "One number has been estimated from the n differences before their spread: the mean. "
            "How many degrees are left?",
        ),
        "width": Message(
            "The width is close to that of the t interval of the differences (0.8 to 1.3 of it).",
            "Perhaps the quantile does not belong to this number of seeds, the spread is not that "
            "of the differences, or a bootstrap resamples a and b separately.",
            "Print the standard deviation of the differences, the standard error and the factor "
            "before it.",
        ),
    },
}

HINTS = {
    "n_correct": (
        "Which class does a model predict for one row of logits?",
        "`argmax` with a `dim` gives one position for each row. Two tensors of the same shape can "
        "be compared with `==`, and True counts as 1.",
        "predicted = logits.argmax(...)      # along which dimension?\n"
        "right = ...                         # True where prediction and label agree\n"
        "return int(...)                     # how many are True?",
    ),
    "evaluate": (
        "Ten images in batches of four: 4, 4 and 2. If the last two are right and half of the "
        "others are, what is the accuracy? And the mean of the three batch accuracies?",
        "Three things around the loop: `model.eval()` before it, `torch.no_grad()` around it, the "
        "old mode (`model.training`) after it. Inside, only count: divide once, at the end.",
        "if ...:\n"
        "    raise ValueError(...)\n"
        "was_training = model.training\n"
        "...                                    # the mode for a forward pass\n"
        "right = 0\n"
        "with torch.no_grad():\n"
        "    for start in range(0, len(images), batch_size):\n"
        "        batch = slice(start, start + batch_size)\n"
        "        right += n_correct(..., ...)\n"
        "model.train(...)                       # the mode as it was\n"
        "return right / ...",
    ),
    "k_shot_split": (
        "In a class of 60 and a class of 5: how many of each do you expect among ten examples "
        "drawn from all? Where should the draw happen?",
        "Go class by class over the values that occur (`labels.unique()`). A generator of your "
        "own, `torch.Generator().manual_seed(seed)`, can be handed to `torch.randperm`. What is "
        "not in the support set is the rest.",
        "generator = torch.Generator().manual_seed(seed)\n"
        "support = []\n"
        "for label in labels.unique():\n"
        "    positions = ...                    # where is this label? one axis\n"
        "    if ...:\n"
        "        raise ValueError(...)\n"
        "    order = torch.randperm(..., generator=generator)\n"
        "    support.append(positions[...])\n"
        "support = torch.cat(support)\n"
        "rest = ...                             # a mask of True, False at the support, helps\n"
        "return support, rest",
    ),
    "paired_effect": (
        "On which seeds do both methods do well? What remains when you look at one seed at a time?",
        "One difference for each seed, its mean and its standard error. With few seeds the number "
        "of standard errors comes from Student's t: `scipy.stats.t.ppf` with the right degrees of "
        "freedom.",
        "if ...:\n"
        "    raise ValueError(...)                  # two reasons\n"
        "difference = np.asarray(a) - np.asarray(b)\n"
        "error = ...                                # of the mean; which ddof?\n"
        "half = scipy.stats.t.ppf(..., df=...) * error\n"
        "return difference.mean(), ..., ...",
    ),
}
