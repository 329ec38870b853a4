"""What a learner reads about the exercises of module 03."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "learning_curve": {
        "calls": Message(
            "`fit` is called once for each size, and for nothing else.",
            "Perhaps one model was fitted and then tested several times, or `fit` is called again "
            "to look at something.",
            "Which line of your loop makes a new model? It should run once per size.",
        ),
        "total": Message(
            "A size counts labelled examples of *each class*.",
            "The subset has that many images in all, so some classes have few or none.",
            "How many images has a subset of size 5 if there are ten classes?",
        ),
        "unstratified": Message(
            "A subset of size {size} holds exactly {size} images of every class.",
            "A random draw from the whole pool, also one that keeps the proportions, gives the "
            "classes different numbers; and the numbers differ from seed to seed.",
            "Draw within each class, or take `k_shot_split`.",
        ),
        "increments": Message(
            "A subset of size {size} holds exactly {size} images of every class.",
            "Here it holds only the images that were added since the size before: the smaller "
            "subset belongs to it, too.",
            "After sizes 1 and 5, how many images of a class has the second model seen?",
        ),
        "everything": Message(
            "A subset of size {size} holds exactly {size} images of every class.",
            "The model was given the whole pool: the subset was drawn, but not used.",
            "Look at the arguments of `fit`: do they depend on the size?",
        ),
        "repeats": Message(
            "A subset holds each of its images once.",
            "Drawing with replacement gives fewer different images than it seems.",
            "Draw without replacement: the first n of a shuffled list, for example.",
        ),
        "leak": Message(
            "Test images are for testing: `fit` never sees one.",
            "A test image was among those that a model was trained on. Its accuracy then says how "
            "well it remembers.",
            "Which images do you index when you make the subset?",
        ),
        "labels": Message(
            "Each image keeps the label it came with.",
            "The labels that `fit` got do not belong to these images: perhaps they were indexed or "
            "shuffled in another way, or numbered anew.",
            "Use the same indices for images and labels.",
        ),
        "not_nested": Message(
            "For one seed the subsets are nested: a larger one contains every smaller one.",
            "With a fresh draw for each size, a step along the curve changes the luck of the draw "
            "as well as the number of labels, and one cannot tell which of them moved it.",
            "Shuffle each class once; what are then the first 2 and the first 5 of it?",
        ),
        "same_seed": Message(
            "The same seed gives the same subsets, so that two methods can be compared on them.",
            "Something else decides as well: the clock, or a generator that remembers the last "
            "call.",
            "Make a new generator from the seed in every call.",
        ),
        "seed_ignored": Message(
            "Another seed gives other subsets.",
            "The subsets do not depend on the seed: perhaps the first images of each class were "
            "taken, or a seed was fixed inside.",
            "Where does `seed` enter your function?",
        ),
        "test_subset": Message(
            "Every model is asked about the same complete test set.",
            "Some models were asked about a part of it. Two points of a curve then differ in their "
            "test, too, and easy images look like a good method.",
            "Count the images that go into the accuracy: it should be {n} at every size.",
        ),
        "rest_of_pool": Message(
            "Accuracies are measured on the test set that was handed over.",
            "The models were asked about images of the pool instead, such as those that are left "
            "over: another test set at every size.",
            "Which of the arguments has not been used yet?",
        ),
        "on_training": Message(
            "Accuracies are measured on the test set.",
            "These are the accuracies on the very images that each model was trained on.",
            "Which images and labels go into the accuracy?",
        ),
        "train_mode": Message(
            "A model is tested in eval mode.",
            "`fit` returns a model as training left it, in train mode: dropout is on, batch-norm "
            "looks at the batch.",
            "`evaluate` of module 00 takes care of that.",
        ),
        "percent": Message(
            "Accuracies are shares between 0 and 1.",
            "These are percentages.",
            "Look for a factor of 100.",
        ),
        "errors": Message(
            "The result holds accuracies: the share of right answers.",
            "This is the share of mistakes.",
            "What is counted: the answers that equal the label, or those that differ?",
        ),
        "count": Message(
            "Accuracies are shares between 0 and 1.",
            "These are numbers of right answers; the division is missing.",
            "By what must a count be divided?",
        ),
        "reversed": Message(
            "The accuracies stand in the order of `sizes`.",
            "They come in the opposite order.",
            "Does your loop begin with the largest size, or are the results sorted?",
        ),
        "length": Message(
            "There is one accuracy for each size.",
            "There are more or fewer: perhaps only the last one is returned.",
            "Where is each accuracy kept?",
        ),
        "too_few": Message(
            "A size above the smallest class cannot be drawn: a ValueError says so.",
            "A slice that is too long is silently cut: the point at that size would then hold "
            "fewer examples than its label says.",
            "Compare the size with the number of examples of each class.",
        ),
        "value": Message(
            "Each accuracy is the share of test images that the model of that size gets right.",
            "The subsets are right; the accuracies are others. Perhaps batches of unequal size "
            "were averaged, or another model was asked.",
            "Compute one accuracy by hand with `evaluate`, and compare.",
        ),
    },
    "transfer_gain": {
        "keys": Message(
            "The result is a dict with the keys `gain`, `low`, `high` and `verdict`.",
            "A key is missing, or has another name.",
            "Print the keys of what you return.",
        ),
        "sign": Message(
            "A gain above zero means that transfer is better.",
            "This is scratch minus transfer: whoever reads the number will choose the worse one.",
            "Put in two numbers for which you know who is ahead.",
        ),
        "one_side": Message(
            "The gain is a difference between two methods.",
            "This is the mean of transfer alone.",
            "What does scratch contribute to your gain?",
        ),
        "relative": Message(
            "The gain is the mean difference, in the unit of the results.",
            "This is the gain as a share of scratch. +5 % of 90 % and +5 points are not the same, "
            "and papers that mix them up mislead.",
            "Leave the division out.",
        ),
        "absolute": Message(
            "A gain can be negative: transfer can hurt.",
            "Differences were made positive before they were averaged.",
            "Look for an absolute value or a square.",
        ),
        "gain": Message(
            "The gain is the mean over the seeds of transfer minus scratch.",
            "Another number was computed: perhaps a median, or from a part of the seeds.",
            "Write down the differences of three seeds, and average them by hand.",
        ),
        "order": Message(
            "`low` is the lower end of the interval and `high` the upper one.",
            "They are the other way round, as after a change of sign.",
            "Which end is smaller?",
        ),
        "unpaired": Message(
            "The interval is that of the differences, seed by seed.",
            "It is far too wide: the spread of the seeds, which both methods share, is still in "
            "it. A real gain then looks undecided.",
            "Subtract first, then look at the spread. Or use `paired_effect`.",
        ),
        "few_seeds": Message(
            "The interval covers 95 % for five seeds, too.",
            "With 30 seeds it fits, with five it is too narrow: 1.96 standard errors are not "
            "enough when the standard deviation is itself a guess from five numbers.",
            "Module 00 has the remedy: Student's t, or `paired_effect`.",
        ),
        "width": Message(
            "The interval is Student's 95 % interval of the mean difference.",
            "Its width is another: perhaps one standard error, the standard deviation, n where "
            "n - 1 belongs, another level, or a bootstrap, which differs from Student's t.",
            "Compare with `paired_effect` on the same numbers.",
        ),
        "centre": Message(
            "The interval lies around the gain.",
            "It lies elsewhere, for instance around 0 or around one of the methods.",
            "What are the two numbers that you add to the gain, and subtract from it?",
        ),
        "zero_width": Message(
            "If every seed shows the same difference, the interval is that one number.",
            "With no spread at all the formula still has an answer: a width of zero.",
            "What does your function do when the standard deviation is 0?",
        ),
        "words": Message(
            'The verdict is one of the words "helps", "hurts" and "undecided".',
            "Another word, or another kind of value.",
            "Print the verdict with its quotes, next to the three words.",
        ),
        "flipped": Message(
            'Above zero transfer "helps", below zero it "hurts".',
            "The two words are exchanged.",
            "Read your two comparisons aloud.",
        ),
        "hasty": Message(
            'An interval that holds zero gives "undecided".',
            "The verdict follows the sign of the mean. Every mean has a sign, also that of pure "
            "noise: half of all useless methods would help.",
            "Which end of the interval must be above zero before transfer helps for sure?",
        ),
        "never_hurts": Message(
            'An interval below zero gives "hurts".',
            "Intervals below zero were called undecided. Transfer can hurt, and that is worth "
            "knowing.",
            "There are three cases. Which end decides the second one?",
        ),
        "not_helps": Message(
            'An interval that holds zero gives "undecided".',
            'Everything that does not help was said to hurt. "Not shown to help" and "shown to '
            'hurt" are two things.',
            "There are three cases. Which end decides the second one?",
        ),
        "zero": Message(
            "An interval that touches zero holds zero, so it is undecided.",
            "All differences are exactly 0 here, and yet there was a verdict.",
            "Look at your comparisons: is zero itself above zero?",
        ),
        "verdict": Message(
            'The verdict is "helps" if low > 0, "hurts" if high < 0, else "undecided".',
            "The interval is right, and the verdict does not follow from it.",
            "Write the two comparisons down with the numbers below.",
        ),
    },
    "time_to_target": {
        "last": Message(
            "What counts is the *first* row that reaches the target.",
            "A later one was found: the last crossing, or the point from which it stays above. "
            "Curves wobble; with the last crossing a better method that wobbles looks slower.",
            "At which row may you stop looking?",
        ),
        "train": Message(
            "The *validation* accuracy must reach the target.",
            "The training accuracy was compared. A network can learn any training set by heart, "
            "and that is soon done.",
            "Which key of a row do you compare?",
        ),
        "strict": Message(
            "Reached means at least: an accuracy equal to the target counts.",
            "A row with exactly the target was passed over.",
            "Look at your comparison.",
        ),
        "rounded": Message(
            "Reached means at least: an accuracy a little below the target has not reached it.",
            "A row barely below the target was taken. Perhaps accuracies were rounded, or a "
            "tolerance was subtracted.",
            "Compare the numbers as they are.",
        ),
        "nan": Message(
            "NaN means not measured: such a row reaches nothing.",
            "A row with NaN was taken for one that is there. Every comparison with NaN is False, "
            "so `not (x < target)` is True.",
            "Ask whether the target is reached, not whether it is missed.",
        ),
        "zero": Message(
            "A target that is reached at step 0 was reached at step 0.",
            "Zero counts as False in Python: `step or ...` and `if step` take it for nothing.",
            "Compare with None or infinity instead of asking whether the step is true.",
        ),
        "index": Message(
            "The result is the `step` of the row.",
            "This is the row's position in the list. Rows need not come one per step.",
            "Which key of the row says how much training there was?",
        ),
        "best": Message(
            "The time is that of reaching the target, not of the best result.",
            "This is the step with the highest accuracy.",
            "Where does `target` enter?",
        ),
        "accuracy": Message(
            "The result is a step.",
            "This is the accuracy that was reached.",
            "Which key of the row do you return?",
        ),
        "closest": Message(
            "The first row *at or above* the target counts.",
            "This is the step whose accuracy is nearest to the target, from above or from below.",
            "Compare, instead of measuring a distance.",
        ),
        "value": Message(
            "The result is the step of the first row whose validation accuracy is at least the "
            "target.",
            "Another step came out, or a mixture of rules.",
            "Write three rows by hand, and follow your code through them.",
        ),
        "never": Message(
            "If no row reaches the target, the time is infinite: `math.inf`.",
            "Something else came back, such as the last step or None, or an error. But a method "
            "that never arrives is not the same as one that arrives at the end.",
            "What does your function return when its loop ends without a hit? `min` and `next` "
            "take a `default`.",
        ),
        "empty": Message(
            "Without any row nothing was reached: infinity.",
            "An empty list has no first and no last row.",
            "Follow your code with `history = []`.",
        ),
    },
    "copy_first_k": {
        "structure": Message(
            "The target keeps its parameters and buffers; only their values change.",
            "A name is gone, or a new one is there.",
            "Compare `target.state_dict().keys()` before and after.",
        ),
        "nothing": Message(
            "After the call the first {k} blocks of the target hold the source's values.",
            "The target is what it was. `load_state_dict(..., strict=False)` skips every name it "
            "does not know without a word, and names without their prefix are all unknown. A copy "
            "of the target, or of its `state_dict` on another device, would also explain it.",
            "Look at what `load_state_dict` returns, or compare a tensor before and after.",
        ),
        "off_by_one": Message(
            "k counts blocks: k = {k} means blocks 0 to k - 1.",
            "One block too few or one too many was copied.",
            "Which numbers does `range(k)` give? And does your comparison say < or <= ?",
        ),
        "one_block": Message(
            "All of the first {k} blocks are copied.",
            "Only one of them was.",
            "Is there a loop over the blocks, and is the copy inside it?",
        ),
        "last_blocks": Message(
            "The *first* blocks are copied: those next to the input, which are the most general.",
            "The last blocks were copied.",
            "`blocks` is ordered from input to output. Which end do you take?",
        ),
        "everything": Message(
            "Only the first {k} blocks are copied.",
            "All blocks were.",
            "Where does k enter?",
        ),
        "buffers": Message(
            "Parameters *and buffers* are copied.",
            "The weights are there, batch-norm's running statistics or its counter are not. "
            "Pretrained filters with the statistics of another network give other features.",
            "`parameters()` leaves the buffers out. What has both?",
        ),
        "prefix": Message(
            "k = {k} means the blocks 0 to k - 1, and no other.",
            "A later block was copied too, one whose number begins with the same digit: the name "
            "of block 10 begins like that of block 1.",
            "Where does the number of a block end in a name such as `backbone.blocks.10.0.weight`?",
        ),
        "frozen": Message(
            "Copying is not freezing: every parameter trains as it did before.",
            "`requires_grad` was switched off on the way. Whether the copied blocks train is the "
            "caller's choice.",
            "Look for `requires_grad`; a copy needs none of it.",
        ),
        "weights_only": Message(
            "Every parameter and buffer of a block is copied.",
            "Only tensors whose name ends in `weight` were.",
            "Print all names of one block's `state_dict`.",
        ),
        "rest": Message(
            "What lies behind the first k blocks stays as it was: later blocks, and the head.",
            "Something else in the target changed, too.",
            "Which names does your selection let through? Print them.",
        ),
        "missing": Message(
            "Every parameter and buffer of the first {k} blocks is copied.",
            "Some are missing.",
            "Compare the names that you copied with those of the blocks' `state_dict`.",
        ),
        "values": Message(
            "The copied tensors hold exactly the source's values.",
            "They changed, but to something else, such as an average or another block's values.",
            "Compare one tensor of the source with that of the target.",
        ),
        "backwards": Message(
            "Values go from `source` to `target`.",
            "The source now holds the target's values.",
            "In `a.copy_(b)`, which one changes?",
        ),
        "source_changed": Message(
            "The source stays as it was.",
            "It was changed on the way.",
            "Look for operations in place, and for calls of `load_state_dict` on the source.",
        ),
        "shared": Message(
            "After the copy the two models have nothing in common.",
            "They share tensors or whole blocks: when one is trained, the other changes with it.",
            "An assignment makes a second name for the same tensor. What makes a second tensor?",
        ),
        "names": Message(
            "The list holds the name of every tensor that was copied, and no other.",
            "The tensors are right, the list is not: perhaps buffers or a block are missing in it, "
            "or names of what was skipped are in it.",
            "Collect each name where you copy its tensor.",
        ),
        "short_names": Message(
            "The names are those of the whole model's `state_dict`: `backbone.blocks.…`.",
            "A part in front is missing, so they cannot be looked up in the model.",
            "Whose `state_dict` did you ask: the model's, the backbone's, or a block's?",
        ),
        "too_deep": Message(
            "A k larger than the number of blocks in either model is a ValueError with a sentence.",
            "A slice such as `blocks[:k]` and a `zip` end early without a word. The caller would "
            "believe in k blocks.",
            "Compare k with the number of blocks of the source, and of the target.",
        ),
        "mismatch": Message(
            "Tensors of different shapes in the first k blocks are a ValueError.",
            "Something else happened. Note that `copy_` stretches a tensor of one channel over "
            "three, and `load_state_dict` raises a RuntimeError.",
            "Compare the shapes of each pair yourself, before the first copy.",
        ),
        "half_copied": Message(
            "A call that raises leaves the target as it was.",
            "The first tensors were copied before the bad pair was found: a half-transferred "
            "network that nobody has seen.",
            "Two loops: the first looks, the second copies.",
        ),
    },
}

HINTS = {
    "learning_curve": (
        "A curve has two points, at 2 and at 5 labels per class. Which things may differ between "
        "them, if the step is to be the effect of three more labels?",
        "`k_shot_split` of module 00 draws exactly n of every class, and for one seed its larger "
        "sets contain the smaller ones. `evaluate` gives a test accuracy. Both may be used.",
        "accuracies = []\n"
        "for size in sizes:\n"
        "    support, _ = ...                   # the same seed for every size\n"
        "    model = fit(..., ...)\n"
        "    accuracies.append(evaluate(model, ..., ...))\n"
        "return accuracies",
    ),
    "transfer_gain": (
        "An interval reaches from -0.2 to +3 points. Does transfer help? What would you need to "
        "see to say that it hurts?",
        "`paired_effect` of module 00 gives the mean difference and its interval, in the order of "
        "its arguments. The verdict looks at one end of the interval at a time.",
        "gain, low, high = paired_effect(..., ...)\n"
        "if low > 0:\n"
        "    verdict = ...\n"
        "elif ...:                              # which end decides here?\n"
        "    verdict = ...\n"
        "else:\n"
        "    verdict = ...\n"
        "return {...}",
    ),
    "time_to_target": (
        "A validation curve crosses 90 %, falls to 88 % and rises again. When was it there?",
        "Go through the rows in their order and return at the first hit. If the loop ends without "
        "one, `math.inf` is the answer.",
        "for row in history:\n    if row[...] ... target:\n        return ...\nreturn ...",
    ),
    "copy_first_k": (
        "Which names in `model.state_dict()` belong to the first two blocks? What do they have in "
        "common?",
        "A `state_dict` has parameters and buffers, and its tensors are the model's own: what is "
        "copied into them is in the model, and they have no gradient to disturb. First check the "
        "number of blocks and all shapes, then copy.",
        "own, given = target.state_dict(), source.state_dict()\n"
        "if k > ...:                            # either model may have too few blocks\n"
        "    raise ValueError(...)\n"
        "names = [name for name in own if name.startswith(...)]   # a tuple of k prefixes\n"
        "for name in names:\n"
        "    ...                                # compare shapes, before anything changes\n"
        "for name in names:\n"
        "    own[name].copy_(...)\n"
        "return names",
    ),
}
