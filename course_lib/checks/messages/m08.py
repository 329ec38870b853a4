"""What a learner reads about the exercises of module 08."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "write_prediction": {
        "keys": Message(
            "The dict has the keys situation, method, gain, low, high and time.",
            "A key is missing or has another name; whoever reads the prediction later looks for "
            "these six.",
            "Compare your keys with the list, letter by letter.",
        ),
        "no_time": Message(
            "`time` says when the prediction was written.",
            "Without a moment nobody can tell later that the prediction came before the result.",
            "Which function of `datetime` or `time` gives the moment at which it is called?",
        ),
        "stands_still": Message(
            "Each call has a time of its own.",
            "Two calls, a second apart, gave the same time. Perhaps it was taken when the function "
            "was *defined*: a default value in the signature is computed once, and so is a line "
            "outside the function.",
            "Move the line that asks for the time into the body of the function.",
        ),
        "texts": Message(
            "`situation` and `method` are kept as they were given.",
            "Perhaps the two were exchanged, or a text was put together anew.",
            "Compare the order of the parameters with the keys of your dict.",
        ),
        "mixed_up": Message(
            "`gain`, `low` and `high` are kept, each under its own key.",
            "The three numbers are there, in another order. Swapped ends are a mistake of whoever "
            "predicts, and are to be refused, not repaired.",
            "Compare the order of the parameters with the keys of your dict.",
        ),
        "changed": Message(
            "`gain`, `low` and `high` are kept as they were given.",
            "Perhaps they were rounded, made positive, or turned into a half width.",
            "Print the dict for gain 0.1234, low 0.01 and high 0.3.",
        ),
        "negative": Message(
            "A gain may be negative: transfer can hurt, and you may predict it.",
            "A condition seems to ask for numbers above 0.",
            "Which of your conditions refuses gain -0.2 with low -0.3 and high -0.1?",
        ),
        "equal_ends": Message(
            "The gain may lie at an end of its range: low <= gain <= high.",
            "A comparison with `<` where `<=` is meant.",
            "What does your condition say if gain and high are equal?",
        ),
        "zero": Message(
            "A gain of 0 is a prediction, too, and its range may lie on both sides of 0.",
            "Perhaps a condition takes 0 for a missing number (`if not gain`), or compares sizes "
            "without their signs.",
            "What does your condition say of gain 0, low -0.1 and high 0.2?",
        ),
        "outside": Message(
            "A gain outside its own range is refused with a `ValueError` that says why.",
            "Perhaps only one end is compared, or the function asserts: an `assert` raises an "
            "AssertionError, and disappears when Python optimises.",
            "Write the condition with both ends in it, and raise with a sentence.",
        ),
        "ends_swapped": Message(
            "A range whose low end is above its high end is refused with a `ValueError`.",
            "Perhaps the ends were sorted. Then nobody learns that two numbers were mixed up.",
            "Does your condition hold for low = 0.3 and high = 0.1?",
        ),
        "not_finite": Message(
            "Infinite or missing numbers (NaN) are refused with a `ValueError`.",
            "NaN answers every comparison with False, so `gain < low` lets it pass; and an "
            "infinite range holds everything, so it predicts nothing.",
            "Ask `math.isfinite` about each of the three numbers first.",
        ),
    },
    "run_study": {
        "fit_seed": Message(
            "Each fit gets one of the seeds of the study.",
            "Perhaps the position of the seed was passed on (0, 1, 2 …), a fixed number, or none.",
            "Print the seed that you hand to `fit_a`.",
        ),
        "fitted_twice": Message(
            "Each method is fitted once for each seed.",
            "Perhaps a fit was repeated, for another number or because the first one was weak. "
            "Whoever fits twice and keeps the better one measures luck.",
            "Where is `fit_a` called, and how often does that line run?",
        ),
        "seeds": Message(
            "Every seed is run with both methods, and its accuracies are reported, good or bad.",
            "A seed is left out. Perhaps the loop stops as soon as the result looks clear, or the "
            "lowest result is dropped: either makes the interval promise too much.",
            "How many entries have `a` and `b`, and how many seeds are there?",
        ),
        "support": Message(
            "Each fit gets exactly n_shot labelled images of every class.",
            "Perhaps n_shot images were drawn from all, without looking at their classes.",
            "Which function of module 00 draws n_shot of each class?",
        ),
        "rest": Message(
            "The methods are fitted on the support set.",
            "These are the other images: the split gives the support first, the rest second.",
            "Look at the order in which the two results of the split are unpacked.",
        ),
        "whole_pool": Message(
            "The methods see the labelled images of the support set, and no others.",
            "All images of the pool were passed. The split gives *indices*; images and labels "
            "still have to be taken at them.",
            "Print the shape of the images that you hand to `fit_a`.",
        ),
        "test_in_fit": Message(
            "No test image takes part in a fit.",
            "Images of the test set were handed to a method. It then knows what it will be asked.",
            "Which tensor do you index with the support set?",
        ),
        "images": Message(
            "A fit gets images of the pool, as they are.",
            "Perhaps they were scaled or otherwise changed on the way.",
            "Compare the images that you hand to `fit_a` with `images[support]`.",
        ),
        "labels": Message(
            "Each image comes with its own label, in the same order.",
            "Perhaps images and labels were taken at different indices, or the labels were "
            "renumbered.",
            "Take both at the same indices, in one line.",
        ),
        "not_paired": Message(
            "For one seed both methods get the same labelled images.",
            "Two splits were drawn. A lucky split then helps one method only, and the difference "
            "is no longer about the methods.",
            "How many splits does your loop draw for one seed?",
        ),
        "one_support": Message(
            "Each seed draws labelled images of its own.",
            "The same images came back for several seeds, so the interval leaves out the luck of "
            "the split, which is the largest.",
            "Is the split drawn inside the loop, with the seed of this round?",
        ),
        "support_depends": Message(
            "The support of a seed depends on labels, n_shot and that seed only.",
            "Perhaps one generator serves all seeds, so that a split depends on those before it; "
            "then nobody can repeat one round of the study.",
            "Run the study with the seeds in another order: does each keep its images?",
        ),
        "not_tested": Message(
            "Each fitted model is measured on the test set.",
            "It was shown images of the pool. On what is left of the pool a study may choose "
            "settings; what it reports comes from the test set.",
            "Which images do you hand to `evaluate`?",
        ),
        "part_of_test": Message(
            "Each model is measured on all test images.",
            "Some were not shown to it: a batch, a class or an end of the set.",
            "Compare the number of images that you test on with `len(test_images)`.",
        ),
        "test_twice": Message(
            "The test set is touched once for each fit: one evaluation, after fitting.",
            "A model was shown it more than once. Looking again is how test sets get used up: the "
            "second look is there to choose something.",
            "Call `evaluate` once and keep the number.",
        ),
        "train_mode": Message(
            "The model is in eval mode while it is measured.",
            "A method may return its model in train mode; dropout and batch-norm then act as in "
            "training.",
            "Does your measurement do all that `evaluate` of module 00 does?",
        ),
        "result_keys": Message(
            "The dict has the keys a, b, mean, low, high and verdict.",
            "A key is missing or has another name.",
            "Compare your keys with the list, letter by letter.",
        ),
        "order": Message(
            "`a` and `b` are in the order of the seeds.",
            "The right accuracies are there in another order, so pairs no longer belong together.",
            "Perhaps something was sorted, or a set or a dict changed the order.",
        ),
        "accuracy": Message(
            "`a` and `b` are the test accuracies of the fitted models, in [0, 1].",
            "Perhaps a model was paired with another seed's test, the share of mistakes or a "
            "count was taken, or the mean over unequal batches.",
            "Check one model with `evaluate` and compare.",
        ),
        "baseline": Message(
            "The effect is a - b: method b is the baseline.",
            "The sign is the other way round, so a gain looks like a loss.",
            "Which method comes first in your `paired_effect`?",
        ),
        "mean": Message(
            "`mean` is the mean of the differences a - b over the seeds.",
            "Perhaps a median was taken, a difference in per cent of the baseline, or the best "
            "seeds only.",
            "Compute it by hand for two seeds.",
        ),
        "interval": Message(
            "low and high are Student's 95 % interval of the paired differences.",
            "Perhaps the spread is that of a and b separately, the standard deviation stands where "
            "the standard error belongs, n where n - 1 does, or 1.96 where Student's t does.",
            "`paired_effect` of module 00 answers exactly this question.",
        ),
        "decided": Message(
            "If the interval holds 0, the verdict is undecided.",
            "A verdict was given although these seeds cannot tell. Perhaps it goes by the sign of "
            "the mean, which luck alone decides; or an interval that ends at 0, as that of two "
            "equal methods does, was taken for one beyond 0.",
            "What must hold for *both* ends of the interval before a method helps?",
        ),
        "verdict": Message(
            "The verdict agrees with the interval: above 0 helps, below 0 hurts.",
            "Perhaps the other end is compared, or a threshold that is not 0.",
            "Write down low and high of this case, and the verdict that they ask for.",
        ),
        "words": Message(
            "The verdict is one of helps, hurts and undecided.",
            "Another word, or a number or True and False, stands there.",
            "Return one of the three words, as a string.",
        ),
        "two_seeds": Message(
            "Two different seeds are enough for a study.",
            "They were refused. Two differences have a spread, so there is an interval: a very "
            "wide one, and it says so itself.",
            "What does your condition say of two seeds?",
        ),
        "one_seed": Message(
            "A study of one seed is refused with a `ValueError` that says why.",
            "One difference has no spread, so there is no interval and no verdict.",
            "Check the number of seeds first, and raise with a sentence.",
        ),
        "same_seed_twice": Message(
            "A seed that comes twice is refused with a `ValueError`.",
            "The same seed gives the same round again. Counted twice, it makes the interval "
            "narrower without any new evidence.",
            "How long is the list of seeds, and how long is its set?",
        ),
        "too_few": Message(
            "A class with fewer than n_shot examples is refused with a `ValueError`.",
            "Perhaps the split takes what is there, and says nothing.",
            "`k_shot_split` of module 00 refuses for you.",
        ),
        "refused_late": Message(
            "What cannot be run is refused before anything is fitted.",
            "Fits came first, and the refusal after them: minutes of training for nothing, and "
            "half a study that tempts one to read it.",
            "Check the seeds, and draw all the splits, before the loop that fits.",
        ),
    },
}

HINTS = {
    "write_prediction": (
        "Somebody shows you a prediction that fits the result perfectly. What would you have to "
        "know about it before you are impressed?",
        "Two conditions first: all three numbers are finite (`math.isfinite`), and they are in "
        "order. Python can chain comparisons. The moment comes from `datetime.now()`, called in "
        "the body.",
        "if not all(... for value in (gain, low, high)):\n"
        "    raise ValueError(...)\n"
        "if not ... <= ... <= ...:\n"
        "    raise ValueError(...)\n"
        'return {"situation": ..., "method": ..., "gain": ..., "low": ..., "high": ...,\n'
        '        "time": ...}',
    ),
    "run_study": (
        "A colleague's method is fitted on one set of labelled images, yours on another. Both are "
        "tested. What does the difference tell?",
        "You have all the parts: `k_shot_split` draws for one seed, `evaluate` measures, "
        "`paired_effect` gives the interval. Refuse first, draw all splits next, then fit both "
        "methods on the same images, seed by seed.",
        "if ... or ...:                             # too few seeds, or one of them twice\n"
        "    raise ValueError(...)\n"
        "supports = [... for seed in seeds]         # refuses a class that is too small\n"
        "a, b = [], []\n"
        "for seed, support in zip(seeds, supports):\n"
        "    for fit, accuracies in ((fit_a, a), (fit_b, b)):\n"
        "        model = fit(..., ..., seed)\n"
        "        accuracies.append(evaluate(...))\n"
        "mean, low, high = paired_effect(...)\n"
        "verdict = ...                              # from low and high alone\n"
        'return {"a": a, "b": b, ...}',
    ),
}
