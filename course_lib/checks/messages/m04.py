"""What a learner reads about the exercises of module 04."""

from course_lib.checks.verdict import Message

_GRADIENT = Message(
    "The gradient reaches both sets of features.",
    "The value is right, but on the way a tensor was detached, turned into a number or into an "
    "array, or treated as a constant. A loss without a gradient to the *target* cannot move the "
    "target's features.",
    "Look for `.item()`, `.detach()`, `.data`, `.numpy()` or `torch.no_grad()`.",
)
_DTYPE = Message(
    "The result has the dtype of the features.",
    "Perhaps a conversion such as `.double()` or `.float()`, or a constant tensor of another "
    "dtype.",
    "Print `.dtype` after each line.",
)
_CONSTANT = Message(
    "The result depends on the features of both domains.",
    "The same number came back for quite different features.",
    "Look at what stands after `return`: is it computed from the arguments?",
)

MESSAGES = {
    "coral_loss": {
        "axis": Message(
            "A covariance is between *features*: it has d rows and d columns (here {d}).",
            "This is the covariance between the images, an n by n table. `torch.cov` expects the "
            "variables in the rows; our features are in the columns.",
            "Print the shape of your covariance, for n = {n} and d = {d}.",
        ),
        "four_d_four": Message(
            "The divisor is 4 times the *square* of d.",
            "This is a division by 4·d·4, a slip found in public code. With growing d the loss "
            "then grows far too large.",
            "Work out the divisor for d = 5: it should be 100.",
        ),
        "no_quarter": Message(
            "The divisor is 4·d², with d the number of features.",
            "The 4 is missing. The mean of the squared differences is a division by d² only.",
            "Compare the divisor with the formula.",
        ),
        "d_once": Message(
            "The divisor is 4·d²: a covariance has d² entries.",
            "This is a division by d, to the first power.",
            "How many entries does the matrix have whose squares you add up?",
        ),
        "no_divisor": Message(
            "The sum of squares is divided by 4·d².",
            "The divisor is missing, or half of it, so the loss depends on how many features there "
            "are.",
            "Compare your last line with the formula.",
        ),
        "root": Message(
            "The *squared* Frobenius norm is used: the sum of the squared differences.",
            "There is a square root somewhere. `torch.linalg.norm` and `torch.norm` take one.",
            "What should the loss do when every difference doubles: double, or become fourfold?",
        ),
        "uncentred": Message(
            "Each domain's own mean is subtracted before products are averaged.",
            "These are averages of products of the raw features. They mix up where a cloud of "
            "features lies with what shape it has.",
            "What is the covariance of features that never vary?",
        ),
        "pooled": Message(
            "Each feature is centred by its own mean, in each domain.",
            "The mean was taken over something else: over all the numbers at once, or over both "
            "domains together.",
            "Print the shape of the mean you subtract; it should have one entry for each feature.",
        ),
        "population": Message(
            "The sum of products is divided by n - 1.",
            "This is a division by n. With large batches it hardly matters; with small ones it "
            "does, and both domains may differ in n.",
            "Compare with `torch.cov`, for three rows.",
        ),
        "not_divided": Message(
            "A covariance is an average: it does not grow with the number of images.",
            "The sums of products were compared as they are, so the larger batch has the larger "
            "matrix.",
            "By what must a sum of products be divided to become a covariance?",
        ),
        "correlation": Message(
            "Covariances are compared, which keep the scale of each feature.",
            "These are correlations, which are 1 on the diagonal whatever the spread.",
            "Should the loss notice a feature that varies twice as much in the target?",
        ),
        "diagonal": Message(
            "All d² entries of the covariance matrices count.",
            "Only the variances, the entries of the diagonal, were compared. How the features vary "
            "*together* is left out.",
            "Print the shape of what you square and add up.",
        ),
        "means": Message(
            "Covariances are compared, not means.",
            "This is the distance between the mean features of the two domains. CORAL is blind to "
            "it; that is a limit of the method, and part of its definition.",
            "Which statistic describes how features vary together?",
        ),
        "with_means": Message(
            "The loss is about covariances alone.",
            "A distance between the means was added, as one well-known library does against its "
            "own documentation. It may be useful, but then it has another name.",
            "Compare your sum with the formula, term by term.",
        ),
        "absolute": Message(
            "Differences are squared, then added up.",
            "Absolute differences were added up instead.",
            "What stands under the sum in the formula?",
        ),
        "too_few": Message(
            "With fewer than two rows in a domain the loss is refused with a `ValueError`.",
            "One row has no spread: dividing by n - 1 = 0 gives NaN, which would then sit in every "
            "weight of the network.",
            "Check both lengths first, and raise with a sentence.",
        ),
        "other_features": Message(
            "Domains with different numbers of features are refused with a `ValueError`.",
            "Matrices of different sizes either fail deep inside with another error, or are "
            "stretched to fit (broadcast), which is worse.",
            "Compare the second axes first, and raise with a sentence that says both.",
        ),
        "gradient": _GRADIENT,
        "gradient_nan": Message(
            "The gradient is finite.",
            "A square root has an infinite slope at 0.",
            "Is there a root in your formula that is not needed?",
        ),
        "dtype": _DTYPE,
        "constant": _CONSTANT,
        "value": Message(
            "The loss is the sum of the squared differences between both covariance matrices, over "
            "4·d².",
            "Perhaps the differences were summed, or made absolute, and not squared one by one, or "
            "another matrix than the covariance was compared.",
            "Take two rows of two features and compute both covariances by hand.",
        ),
    },
    "mmd_loss": {
        "cross_once": Message(
            "The similarity across the domains is subtracted twice.",
            "It was subtracted once. A square of a difference has a middle term with a 2: "
            "(a - b)² = a² - 2ab + b².",
            "What should the biased loss be for two identical sets?",
        ),
        "sign": Message(
            "Similarity within the domains counts for the distance, similarity across against it.",
            "A sign is turned around, or a part is missing, so that alike domains look far apart.",
            "Compare two sets that are the same with two that lie far apart.",
        ),
        "diagonal_kept": Message(
            "The unbiased form leaves out the similarity of each row to itself.",
            "These are the averages with their diagonals. A row is always like itself (1), so each "
            "domain looks closer to itself than it is, and two equal domains look apart.",
            "Which entries of an n by n table compare a row with itself, and how many are left?",
        ),
        "divisor": Message(
            "Without the diagonal there are n·(n - 1) pairs, and as many divide the sum.",
            "The diagonal was left out, but the sum is still divided by n².",
            "Count the entries that you add up, for n = 3.",
        ),
        "always_unbiased": Message(
            "With `unbiased=False` the averages keep their diagonals and divide by n².",
            "This is the unbiased estimate, although the biased one was asked for.",
            "Follow the argument `unbiased` through your code.",
        ),
        "cross_diagonal": Message(
            "All pairs across the domains count: the mean over the n by m table.",
            "The diagonal of the table across was left out too. But there no row meets itself: "
            "row 3 of the source and row 3 of the target are different images.",
            "Whose similarity with whom stands on the diagonal of the table across?",
        ),
        "clamped": Message(
            "The unbiased estimate may be negative, and is returned as it is.",
            "Negative values were cut off, or made positive. An estimate that is right on average "
            "must be below 0 about half the time when the truth is 0.",
            "Look for `clamp`, `relu`, `max` or `abs`.",
        ),
        "root": Message(
            "The result is the squared discrepancy, not its root.",
            "There is a square root at the end. Of a negative estimate it would be NaN.",
            "Compare your last line with the formula.",
        ),
        "summed": Message(
            "The kernel is the *mean* over the bandwidths.",
            "The kernels were added up, so the loss grows with their number.",
            "What should a row's similarity to itself be, with three bandwidths?",
        ),
        "one_bandwidth": Message(
            "Each bandwidth has its own Gaussian, and the Gaussians are averaged.",
            "Only one of the bandwidths acts, or they were combined before the exponential.",
            "With three bandwidths, how many exponentials of each distance do you need?",
        ),
        "kernel": Message(
            "The kernel is exp(-distance² / (2 sigma²)).",
            "The distances are right, but they are scaled in another way: the 2 or the square of "
            "sigma is missing, or sigma multiplies.",
            "What should the kernel be at a distance of one sigma? About 0.61.",
        ),
        "distance": Message(
            "In the exponent stands the squared Euclidean distance: squares added up over the "
            "features.",
            "Perhaps the distance is not squared (`torch.cdist` returns it unsquared), or the mean "
            "over the features was taken instead of their sum.",
            "Work out the distance of (0, 0) and (3, 4), and what must stand in the exponent.",
        ),
        "means": Message(
            "The discrepancy looks at the domains through Gaussian kernels.",
            "This is the squared distance between the two mean features: MMD with a *linear* "
            "kernel, which sees nothing but means.",
            "Where do your bandwidths come in?",
        ),
        "one_row": Message(
            "In the biased form one row is enough.",
            "Only the unbiased form needs pairs of different rows. One row has a similarity with "
            "itself, which is 1.",
            "What does your code do for n = 1 and `unbiased=False`?",
        ),
        "too_few": Message(
            "In the unbiased form a domain with fewer than two rows is refused with a "
            "`ValueError`.",
            "One row makes no pair; n·(n - 1) is 0, and so would the divisor be.",
            "Check both lengths, if `unbiased`, and raise with a sentence.",
        ),
        "twins": Message(
            "Identical rows count like any others: their similarity is 1.",
            "Perhaps pairs at a distance of 0 were left out, taking them for the diagonal.",
            "What distinguishes a row's pair with itself from a pair of equal rows?",
        ),
        "gradient": _GRADIENT,
        "gradient_nan": Message(
            "The gradient is finite, also when two rows are identical.",
            "The square root of a distance has an infinite slope at 0, and 0 times infinity is "
            "NaN. Squaring afterwards does not undo it.",
            "Can you get the squared distances without taking a root first?",
        ),
        "dtype": _DTYPE,
        "constant": _CONSTANT,
        "value": Message(
            "The loss is the mean kernel within the source, plus within the target, minus twice "
            "the mean across.",
            "Perhaps the bandwidths are not what the signature says (their number is free, and the "
            "median is over all pairs of both domains), or the two sides have different sizes and "
            "one of them was cut.",
            "Take two rows and two rows of one feature, one bandwidth, and compute the kernels by "
            "hand.",
        ),
    },
    "grad_reverse": {
        "forward": Message(
            "In the forward pass nothing happens: what comes out is x.",
            "The output is a multiple of x. λ and the minus act on the gradient, on the way back "
            "only.",
            "Print x and your output side by side, for lam = {lam}.",
        ),
        "forward_value": Message(
            "In the forward pass nothing happens: what comes out is x.",
            "Other values come out. The discriminator would not see the features any more.",
            "Print x and your output side by side, for lam = {lam}.",
        ),
        "no_gradient": Message(
            "A gradient comes back to x, reversed.",
            "None came back: the output hangs on x by its values only. `detach()` alone cuts the "
            "way back for good.",
            "Which part of your output still depends on x when gradients are computed?",
        ),
        "identity": Message(
            "The gradient that comes back is multiplied by -λ.",
            "It comes back unchanged. Then the backbone helps the discriminator instead of hiding "
            "from it.",
            "Send a gradient of ones through, with lam = {lam}, and look at x.grad.",
        ),
        "sign": Message(
            "The gradient changes its sign.",
            "It is multiplied by λ, without the minus. Then the backbone helps the discriminator "
            "instead of hiding from it.",
            "Send a gradient of ones through, with lam = {lam}, and look at x.grad.",
        ),
        "lam_ignored": Message(
            "The gradient that comes back is multiplied by -λ.",
            "It is reversed at full strength; λ plays no part.",
            "Follow the argument `lam` through your code.",
        ),
        "divided": Message(
            "The gradient that comes back is multiplied by -λ.",
            "It is divided by λ instead: the smaller λ, the stronger.",
            "What should come back with a λ close to 0?",
        ),
        "squared": Message(
            "The gradient that comes back is multiplied by -λ, once.",
            "λ acted twice.",
            "Count the places where `lam` is used.",
        ),
        "double": Message(
            "The gradient that comes back is -λ times the incoming one, and nothing else.",
            "A second path leads back to x: beside the reversed gradient the plain one also "
            "arrives.",
            "Which of the terms in your sum depends on x without being detached?",
        ),
        "no_upstream": Message(
            "The incoming gradient is passed on, times -λ.",
            "A constant -λ comes back, whatever came in.",
            "What does the chain rule do with the gradient that arrives?",
        ),
        "zero": Message(
            "With λ = 0 no gradient comes back.",
            "With lam = 0 the gradient still flows. Python takes 0 for False, as in `lam or 1`.",
            "What does your code do with `lam` before it uses it?",
        ),
        "cut": Message(
            "With λ = 0 zeros come back, which is a gradient, too.",
            "The result has lost its graph, as by `detach()`: there nothing comes back at all, and "
            "`backward()` of a loss that has nothing else stops with an error.",
            "Does λ = 0 need a case of its own?",
        ),
        "in_place": Message(
            "Only what goes through this call is reversed.",
            "The gradient that arrives was changed in place. Behind a sum, PyTorch hands the same "
            "tensor to both terms, so the other one got it reversed, too.",
            "Look for `*=`, `mul_` or `neg_` in your backward pass.",
        ),
        "hook_on_input": Message(
            "Only what goes *through* the function is reversed. Other uses of x, and other calls, "
            "keep their own gradient.",
            "The gradient of x itself was changed, all of it. The classifier's gradient, which "
            "does not go through the function, would be reversed too.",
            "On which tensor does your hook sit: on the one that came in, or on a new one?",
        ),
        "shared": Message(
            "Two calls with different λ stay independent.",
            "Both calls used the same λ, that of one of them: it was kept in one place for all, "
            "such as a global or an attribute of a class.",
            "Where is λ stored between the forward and the backward pass of *this* call?",
        ),
        "dtype": _DTYPE,
        "gradient": Message(
            "The gradient that comes back is exactly -λ times the incoming one.",
            "Perhaps λ is added and not multiplied, the gradient is clipped or normalised, or a "
            "factor beside λ has come in.",
            "Send a gradient of ones through, with lam = {lam}, and look at x.grad.",
        ),
    },
    "adapt_batchnorm": {
        "nothing_returned": Message(
            "The function returns the model.",
            "There is no `return`.",
            "Compare with the signature.",
        ),
        "copy": Message(
            "The model is changed in place, and the same object is returned.",
            "A copy, or something else, came back. The caller's model is not adapted then.",
            "Look for `deepcopy`, or for what stands after `return`.",
        ),
        "unchanged": Message(
            "The running statistics become those of the target.",
            "They are still the source's. In eval mode batch-norm uses what is stored and learns "
            "nothing.",
            "In which mode do batch-norm layers take note of what passes through?",
        ),
        "reset_only": Message(
            "After the reset the statistics are gathered from the target.",
            "They stand at mean 0 and variance 1: reset, and nothing noted afterwards.",
            "In which mode do batch-norm layers take note of what passes through?",
        ),
        "exponential": Message(
            "Nothing of the source's statistics is left.",
            "They are an exponential average: each batch moved them a bit, and most of them still "
            "comes from the source.",
            "How does one reset a batch-norm layer's memory, before the first batch?",
        ),
        "exponential_from_zero": Message(
            "Every batch counts the same.",
            "An exponential average after a reset: it still holds some of the 0 and 1 it began "
            "with, and the last batches count most.",
            "Read in the documentation of `BatchNorm2d` what `momentum=None` means.",
        ),
        "not_reset": Message(
            "Nothing of the source's statistics is left.",
            "A plain average, but one that goes on counting from the source's batches.",
            "What must happen to the counter, before the first batch?",
        ),
        "last_batch": Message(
            "Every batch counts the same.",
            "Only the last batch is left in the statistics.",
            "What becomes of the first batch in your loop?",
        ),
        "first_batch": Message(
            "Every batch counts.",
            "Only the first batch is in the statistics.",
            "Follow your loop through its second round.",
        ),
        "one_batch": Message(
            "The images go through in batches of `batch_size`, one after the other.",
            "All images went through at once. The variance of everything together is larger than "
            "the mean of the batches' variances, when batches differ.",
            "Follow the argument `batch_size` through your code.",
        ),
        "population": Message(
            "The variance is the unbiased one, divided by the number of values minus 1, as "
            "PyTorch stores it.",
            "This is the variance divided by the number of values.",
            "Look at the `correction` of your variance.",
        ),
        "variance": Message(
            "The variance is the mean of the batches' own variances.",
            "The means are right. Perhaps the standard deviation was taken, the variances were "
            "combined in another way, or images were put into other batches.",
            "Is it a variance? Are your batches consecutive pieces of the images, in their order?",
        ),
        "eval_pass": Message(
            "Each layer sees what it will see in use: an input that the layers before it have "
            "normalised with the *target's* statistics.",
            "The first layer is right. Those behind it still saw inputs normalised with the "
            "source's statistics.",
            "With which statistics did the first batch-norm layer normalise in your pass?",
        ),
        "first_only": Message(
            "Every batch-norm layer of the model is adapted.",
            "The first one is; a later one still has the source's statistics.",
            "How do you find the layers? A block is a module too, with modules inside.",
        ),
        "other_layers": Message(
            "Only batch-norm layers are in train mode; all others, such as dropout, act as in use.",
            "With `model.train()` dropout is on too, and every statistic behind it is that of "
            "images with holes in them.",
            "Which modules should be in train mode, and how do you reach them alone?",
        ),
        "statistics": Message(
            "Each running statistic is the mean, over the batches, of that batch's own mean or "
            "unbiased variance of each channel.",
            "Perhaps the images were changed on their way (scaled, normalised once more), or "
            "another set of batches was used.",
            "Take a model with one batch-norm layer and two batches, and compute by hand.",
        ),
        "weights": Message(
            "No weight and no bias changes.",
            "A parameter moved. AdaBN trains nothing: it only takes note of statistics.",
            "Look for an optimiser, or for something that resets the whole layer: "
            "`reset_parameters` also resets weights.",
        ),
        "requires_grad": Message(
            "Parameters stay as trainable as they were.",
            "`requires_grad` was switched off and not switched on again.",
            "A `with torch.no_grad()` block switches gradients off without touching parameters.",
        ),
        "buffers_lost": Message(
            "The model keeps its parameters and buffers.",
            "A layer was replaced by another, or has lost its running statistics.",
            "Change the numbers in the layers, not the layers.",
        ),
        "left_in_train": Message(
            "The model comes back in eval mode, with all its parts.",
            "A part is still in train mode: it would normalise the next images by their own batch, "
            "and change its statistics again.",
            "Which call switches everything to eval?",
        ),
        "settings": Message(
            "`momentum` and the other settings of each layer are afterwards what they were.",
            "A later training would go on with another momentum, and nobody would know why.",
            "Remember what you change, and put it back.",
        ),
        "without": Message(
            "A model without batch-norm is returned as it was, in eval mode.",
            "There is nothing to adapt, and an empty loop should do no harm.",
            "What does your loop do if it finds no batch-norm layer?",
        ),
    },
    "select_model": {
        "range": Message(
            "The result is the position of a run in the list, from 0.",
            "There is no run at this position.",
            "Print your result next to `len(runs)`.",
        ),
        "unsound_source": Message(
            "A run that lost more than 10 points on the source's validation data is never chosen.",
            "Confidence alone can be had cheaply: a run that no longer solves even the source task "
            "may be very sure of its answers.",
            "Which number tells, without any target label, that a run has gone astray?",
        ),
        "single_class": Message(
            "A run that predicts a single class is never chosen while there is a sound one.",
            "It is very confident, and has stopped looking at the images.",
            "How many different classes does each run predict on the target?",
        ),
        "edge": Message(
            "A run exactly 0.10 below the best on the source is sound, if it predicts two classes.",
            "The only sound run of this list was passed over. Perhaps the bound is another one, or "
            "a share of the best instead of points; or more than two classes are asked for.",
            "Put the numbers below into your two conditions.",
        ),
        "labels": Message(
            "Other target labels change nothing.",
            "The choice moved when only `target_labels` changed. In a real project there are none: "
            "whoever chooses on them reports a number that nobody can repeat.",
            "Look for `target_labels` in your code.",
        ),
        "order": Message(
            "The same run is chosen, wherever it stands in the list.",
            "The choice depends on the order of the runs, or on chance.",
            "Which of a run's own numbers decides?",
        ),
        "source_only": Message(
            "Among sound runs the choice looks at the target's predictions.",
            "The run that is best on the source was chosen. Here that is the worst adapted one: "
            "a model that has not adapted at all is often best at home.",
            "What do the probabilities on the target tell, if you cannot see the labels?",
        ),
        "no_better": Message(
            "The chosen runs are better on the target, on average, than a random sound run.",
            "Perhaps the rule is turned around, or looks at something that says nothing about the "
            "target.",
            "Should predictions on the target be sure or unsure, one by one?",
        ),
        "empty": Message(
            "Without runs there is nothing to choose, and the function says so with a "
            "`ValueError`.",
            "An index of an empty list, or an error from deep inside, leaves the caller guessing.",
            "Check the number of runs first, and raise with a sentence.",
        ),
    },
}

HINTS = {
    "coral_loss": (
        "What does a covariance matrix of features say about a cloud of points? What shape must it "
        "have, whatever the number of images?",
        "Centre each domain by its own mean over the images (axis 0); the matrix product of its "
        "transpose with itself, over n - 1, is the covariance. Then squares, a sum and the "
        "divisor.",
        "if ...:\n"
        "    raise ValueError(...)                  # two reasons\n"
        "def covariance(x):\n"
        "    centred = x - x.mean(dim=...)\n"
        "    return ... / (len(x) - 1)              # (d, d)\n"
        "gap = covariance(source) - covariance(target)\n"
        "return ... / (4 * ...)",
    ),
    "mmd_loss": (
        "If both domains were the same set of points, what would the three mean similarities be, "
        "and how must they be combined to give 0?",
        "Put both domains into one table of n + m rows. From `z @ z.T` alone all squared distances "
        "follow: |x|² + |y|² - 2 x·y. Cut the kernel table into its blocks. Only the two blocks "
        "within a domain have a diagonal to leave out.",
        "z = torch.cat([source, target])\n"
        "gram = z @ z.T\n"
        "squared = ...                          # from gram and its diagonal\n"
        "kernel = torch.stack([... for sigma in bandwidths]).mean(...)\n"
        "n = len(source)\n"
        "ss, tt, st = kernel[:n, :n], ..., ...\n"
        "if unbiased:\n"
        "    ...                                # without diagonals; over how many pairs?\n"
        "return ... + ... - 2 * ...",
    ),
    "grad_reverse": (
        "In which direction does a value travel through a network, and in which a gradient? Where "
        "could the two be treated differently?",
        "Either a `torch.autograd.Function` with a forward and a backward of its own, which keeps "
        "λ in its context `ctx`; or a sum: one term gives the derivative, a detached one mends the "
        "value.",
        "scaled = -lam * x                      # the derivative is right, the value is not\n"
        "return scaled + (...).detach()         # what must be added to get the value x?",
    ),
    "adapt_batchnorm": (
        "Where does a batch-norm layer keep what it knows of the source? When does it take note "
        "of new images, and how does it weigh old against new?",
        "For each batch-norm layer: reset its running statistics, set its momentum so that it "
        "averages all batches alike (see the documentation of `BatchNorm2d`), and put it, alone, "
        "into train mode. Then run the batches without gradients, and put everything back.",
        "model.eval()\n"
        "layers = [part for part in model.modules() if isinstance(part, ...)]\n"
        "for layer in layers:\n"
        "    ...                                # three things; remember what you change\n"
        "with torch.no_grad():\n"
        "    for batch in target_images.split(batch_size):\n"
        "        ...\n"
        "...                                    # momentum as before, eval mode\n"
        "return ...",
    ),
    "select_model": (
        "You see the source's labels and the target's predictions. What would make you distrust a "
        "run, and what would make you believe in it?",
        "First sort out: within 0.10 of the best source accuracy, and at least two predicted "
        "classes. Among the rest choose by the probabilities, such as the lowest mean entropy, "
        "-Σ p log p.",
        "if ...:\n"
        "    raise ValueError(...)\n"
        "best = max(run['source_val_accuracy'] for run in runs)\n"
        "def sound(run):\n"
        "    return ... and ...\n"
        "def doubt(run):\n"
        "    p = run['target_probs']\n"
        "    return ...                         # the mean entropy of its rows\n"
        "return min((i for i, run in enumerate(runs) if sound(run)), key=...)",
    ),
}
