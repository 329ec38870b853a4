"""What a learner reads about the exercises of module 06."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "mean_iou": {
        "pixel_accuracy": Message(
            "The score is a mean over classes of intersection over union.",
            "This is the share of right pixels. Where most pixels are background, a network that "
            "never finds anything does well by it.",
            "Take one class. Which pixels are in its intersection, and which in its union?",
        ),
        "absent_zero": Message(
            "A class that is in neither prediction nor target has no IoU, and is left out.",
            "It was counted as 0, so a perfect prediction of images without that class is not "
            "worth 1.",
            "What is 0 / 0 here? Over which classes may the mean be taken?",
        ),
        "absent_one": Message(
            "A class that is in neither prediction nor target has no IoU, and is left out.",
            "It was counted as 1: every class that nobody asked about raises the score. A small "
            "epsilon on both sides of the fraction does that, too.",
            "What is 0 / 0 here? Over which classes may the mean be taken?",
        ),
        "absent_nan": Message(
            "A class that is in neither prediction nor target is left out of the mean.",
            "The result is NaN or infinite: a union of 0 was divided by.",
            "Which classes have a union above 0? Take only those.",
        ),
        "false_class_left_out": Message(
            "A class that is predicted but not there has an IoU of 0, and counts.",
            "Only the classes of the target were averaged, or only those that were hit at all. "
            "Then inventing a class costs nothing of its own.",
            "Whose pixels are in the union: those of the target alone?",
        ),
        "in_a_row": Message(
            "Classes are 0 to n_classes - 1, also if some of them are nowhere in these masks.",
            "It seems that the classes that occur were counted, and the first so many were scored. "
            "That is right only if those that occur are 0, 1, 2, ... in a row.",
            "Which classes does your loop visit if only 0 and 5 occur?",
        ),
        "rare": Message(
            "A class counts as soon as one pixel has it, in prediction or target.",
            "A class of a single pixel that was missed did not lower the score as it should. "
            "Perhaps a condition asks for more than one pixel, or for a hit.",
            "Which number must not be 0 in your fraction? Is anything else asked of a class?",
        ),
        "per_image": Message(
            "Intersections and unions are summed over the whole set before they are divided.",
            "The IoU of each image, or of each batch, was averaged. A class with three pixels in "
            "one image then counts as much there as one with three thousand in another.",
            "Count first, over all images; divide once per class.",
        ),
        "background": Message(
            "All classes count, class 0 among them.",
            "The first class was left out. That is a choice some people make; it is not this "
            "score.",
            "Print the IoU of each class, and count how many went into your mean.",
        ),
        "summed": Message(
            "First an IoU for each class, then their mean.",
            "All intersections were added and divided by the sum of all unions. In such a sum the "
            "largest class decides nearly alone.",
            "How much does a class with a hundredth of the pixels weigh in your score? In a mean "
            "over classes?",
        ),
        "recall": Message(
            "The union of a class holds its predicted *and* its true pixels.",
            "The intersection was divided by the true pixels alone: that is recall. Painting "
            "everything in one colour gets all of that class.",
            "Which pixels should punish a prediction that is too large?",
        ),
        "precision": Message(
            "The union of a class holds its predicted *and* its true pixels.",
            "The intersection was divided by the predicted pixels alone: that is precision. One "
            "sure pixel would be enough for a perfect score.",
            "Which pixels should punish a prediction that is too small?",
        ),
        "dice": Message(
            "IoU is intersection over union.",
            "This is Dice, or F1: twice the intersection over the sum of both sizes. It is never "
            "smaller than IoU.",
            "Two sets of 10 with 5 in common: how large is their union?",
        ),
        "union": Message(
            "A pixel that is in both sets is in their union once.",
            "Both sizes were added, and the intersection was counted twice. Even a perfect "
            "prediction gets only one half.",
            "Two sets of 10 with 5 in common: how large is their union?",
        ),
        "weighted": Message(
            "Each class weighs the same in the mean.",
            "Each class was weighted by its pixels, and the background decides again.",
            "How many times does each class's IoU enter your mean?",
        ),
        "percent": Message(
            "The score lies in [0, 1].",
            "It seems to be in per cent.",
            "What should a perfect prediction get?",
        ),
        "per_class": Message(
            "One number comes back: the mean over the classes.",
            "There is a number for each class. Those are worth looking at, and the last step is "
            "missing.",
            "Which of them should go into the mean?",
        ),
        "constant": Message(
            "Another prediction gets another score.",
            "The same number came back for different inputs.",
            "Where does your result depend on `pred`?",
        ),
        "value": Message(
            "The score is the mean over classes of intersection over union, counted over the set.",
            "The number is another one. Perhaps a class is compared with another one, or some "
            "pixels are counted twice.",
            "Draw two maps of 2 x 2 pixels with two classes, and work out both IoUs by hand.",
        ),
        "mismatch": Message(
            "Maps of different shapes are refused with a ValueError that says so.",
            "Shapes that happen to broadcast, or to hold as many pixels, give a number without an "
            "error, and it means nothing.",
            "Compare the two shapes first.",
        ),
    },
    "transfer_encoder": {
        "nothing_loaded": Message(
            "After the call the segmenter's encoder computes what the pretrained one does.",
            "Nothing was copied. `load_state_dict(..., strict=False)` passes over every name that "
            "it does not know, and says nothing; a copy that is thrown away does as little.",
            "Which names has `encoder.state_dict()`? Which has `segmenter.state_dict()`, and which "
            "`segmenter.encoder.state_dict()`?",
        ),
        "buffers_skipped": Message(
            "Buffers are copied as well as parameters.",
            "Batch-norm's running statistics stayed behind. The filters are the pretrained ones, "
            "and what follows them normalises with the numbers of another network.",
            "`parameters()` does not list everything that a `state_dict()` does.",
        ),
        "counter": Message(
            "Every buffer is copied, also `num_batches_tracked`.",
            "Only the counter of batches was left out; perhaps a filter by dtype or by name.",
            "Compare both state dicts, name by name.",
        ),
        "by_position": Message(
            "A value goes to the layer of the same *name*.",
            "Both sides were walked in step. Here the two encoders register their layers in "
            "different orders; the shapes match all the same, so there was no error.",
            "Equal shapes do not make it the same layer. What does?",
        ),
        "values": Message(
            "Each tensor of the segmenter's encoder has the value of the pretrained one's.",
            "Some have other values. Perhaps one kind of tensor or one layer was passed over.",
            "Compare both state dicts after the call, name by name, with `torch.equal`.",
        ),
        "decoder": Message(
            "What is not the encoder keeps its values.",
            "Something in the decoder was overwritten. It may have layers whose names end like "
            "those of the encoder.",
            "Into which module did you load? Is it larger than the encoder?",
        ),
        "layers": Message(
            "The segmenter's encoder keeps its layers, under their names.",
            "Layers are gone or were renamed.",
            "Copy values into the tensors that are there.",
        ),
        "direction": Message(
            "Values go *from* the pretrained encoder *into* the segmenter.",
            "They went the other way: the pretrained values are lost.",
            "In `a.copy_(b)` and in `a.load_state_dict(b)`, who changes?",
        ),
        "encoder_changed": Message(
            "The pretrained encoder is the same after the call as before it.",
            "Some of its values changed.",
            "Which lines of yours write into it?",
        ),
        "aliased": Message(
            "Afterwards the two encoders share no memory.",
            "They hold the same tensors. Training the segmenter would change the pretrained "
            "encoder behind everybody's back, and the next transfer would begin from there.",
            "Does your assignment copy numbers, or hand over the tensor itself?",
        ),
        "not_trainable": Message(
            "The copied parameters can be trained.",
            "At least one no longer asks for a gradient. Copying and freezing are two things; "
            "whoever wants both calls `freeze` as well.",
            "Look at `requires_grad` before and after your function.",
        ),
        "mode": Message(
            "Train and eval mode of every part are the same after the call as before it.",
            "A part is in another mode now. Copying values needs no particular mode; whoever "
            "calls the function decides when to train.",
            "Look for `eval()` and `train()` in your function.",
        ),
        "prefix": Message(
            "The names that come back are those of `encoder.state_dict()`.",
            "They carry the prefix `encoder.`, as in the state dict of the whole segmenter.",
            "Print the first name on your list beside the first of `encoder.state_dict()`.",
        ),
        "names": Message(
            "The list names every tensor that was copied: all of `encoder.state_dict()`.",
            "Some names are missing, or there are others. Perhaps the list holds the keys that "
            "did *not* fit, or only the parameters.",
            "Compare the length of your list with that of `encoder.state_dict()`.",
        ),
        "mismatch": Message(
            "If a name is on one side only, that is a ValueError with a sentence.",
            "It was passed over, and a part of the network stays random; or the error was of "
            "another kind, as PyTorch's own, which comes when much has been copied already.",
            "Compare the two sets of names before you copy anything.",
        ),
        "shape_mismatch": Message(
            "If two tensors of one name differ in shape, that is a ValueError with a sentence.",
            "It was passed over, or another kind of error was raised half-way.",
            "Compare all shapes before you copy anything.",
        ),
        "half_copied": Message(
            "If anything does not fit, nothing is copied.",
            "The error came when a part had been copied already. Whoever catches it has a network "
            "that is half pretrained.",
            "First look at all names and shapes; copy in a second loop.",
        ),
    },
    "match_boxes": {
        "twice": Message(
            "Each true box can be hit once.",
            "Every prediction that overlaps a true box enough was counted. A detector that reports "
            "each object five times would look five times as good.",
            "What must change for the other predictions when a true box has been found?",
        ),
        "input_order": Message(
            "The prediction with the highest score chooses first.",
            "They chose in the order in which they came.",
            "Which of two predictions on one object should be the hit?",
        ),
        "lowest_first": Message(
            "The prediction with the *highest* score chooses first.",
            "They chose from the lowest score up: `argsort` ascends unless told otherwise.",
            "Print the scores in the order in which your loop visits them.",
        ),
        "sorted_result": Message(
            "Entry i of the result is about box i of the input.",
            "The hits are right, and stand in the order of the scores.",
            "Where do you write the result of prediction `i`?",
        ),
        "taken_is_final": Message(
            "A prediction takes the best of the true boxes that are still *free*.",
            "It looked at the best of all; if that was taken, it gave up, although another free "
            "box overlapped enough.",
            "Two objects stand close together. The second prediction overlaps both: what then?",
        ),
        "first_fit": Message(
            "A prediction takes the free true box that it overlaps *most*.",
            "It took the first that reached the threshold, and another prediction went away empty.",
            "Look at all free boxes before you take one.",
        ),
        "stops_early": Message(
            "Every prediction gets its turn.",
            "After the first false alarm all others counted as false alarms, too: the loop ended "
            "there. A low score does not mean a poor overlap.",
            "Where can your loop end before the last prediction?",
        ),
        "by_iou": Message(
            "Predictions choose in the order of their *scores*.",
            "They chose in the order of their overlap. The detector's confidence is what is being "
            "judged; it does not know the overlap.",
            "What does the argument `scores` decide in your code?",
        ),
        "optimal": Message(
            "Each prediction chooses for itself, best score first, and nobody gives way later.",
            "This looks like the assignment with the most hits. It forgives a detector its order.",
            "May a prediction with a low score take a box that one with a higher score prefers?",
        ),
        "misses_take": Message(
            "Only a hit takes its true box: a prediction that overlaps too little leaves it free.",
            "A prediction below the threshold took the box as well, and the next one, which fits, "
            "found it taken.",
            "When is a true box used up? Look at where you note that.",
        ),
        "truth_chooses": Message(
            "Predictions choose true boxes, not the other way round.",
            "Each true box took the prediction that overlaps it most, whatever its score.",
            "Which of the two loops should be the outer one?",
        ),
        "threshold": Message(
            "The threshold is the one that is passed.",
            "The usual 0.5 was used, whatever the argument said.",
            "Where does your code read `threshold`?",
        ),
        "score_threshold": Message(
            "Every prediction gets its turn, whatever its score: the threshold is one of IoU.",
            "Predictions whose *score* is below the threshold were left out. Confidence and "
            "overlap are two numbers; only the order of the scores counts here.",
            "What does your code compare with `threshold`?",
        ),
        "strict": Message(
            "An IoU *equal* to the threshold is enough.",
            "At exactly 0.5 it was no hit. Perhaps only larger ones are accepted.",
            "What does your comparison say of two equal numbers?",
        ),
        "pixel": Message(
            "A box from left 10 to right 30 is 20 wide, and corners may lie between two pixels.",
            "An IoU a little below the threshold was enough. Old code counts pixels instead of "
            "measuring lengths: it adds 1 to each side, or rounds the corners first. Or another "
            "overlap than IoU is computed, such as Dice.",
            "Work out the IoU of two boxes of 4 x 4 that overlap by half, by hand and by your "
            "function.",
        ),
        "overlap": Message(
            "Overlap is measured as intersection over union.",
            "The intersection was divided by the area of the prediction alone. A tiny box inside "
            "a large object would be a perfect hit.",
            "Whose areas are in the union?",
        ),
        "xywh": Message(
            "A box is left, top, right, bottom.",
            "The last two numbers were read as width and height.",
            "How wide is a box with left 10 and right 30?",
        ),
        "inverted": Message(
            "True means a hit.",
            "The result is the other way round: True for the false alarms.",
            "Which predictions does your function mark?",
        ),
        "dtype": Message(
            "The result is boolean.",
            "The values are numbers. As an index, 0 and 1 choose rows 0 and 1, while False and "
            "True choose which rows to keep.",
            "Which dtype has the tensor that you begin with?",
        ),
        "value": Message(
            "By descending score, each prediction takes the best free true box, if the IoU "
            "reaches the threshold.",
            "At least one prediction is judged otherwise. Perhaps predictions are compared with "
            "each other, as in non-maximum suppression, and not only with true boxes.",
            "Draw three predictions and two true boxes on paper, and follow your loop.",
        ),
    },
    "average_precision": {
        "unsorted": Message(
            "The predictions are gone through from the highest score to the lowest.",
            "They were taken in the order in which they came.",
            "What does the argument `scores` decide in your code?",
        ),
        "ascending": Message(
            "The predictions are gone through from the *highest* score to the lowest.",
            "They were taken from the lowest score up: `argsort` ascends unless told otherwise.",
            "Print the first three scores after sorting.",
        ),
        "recall_by_predictions": Message(
            "Recall is the share of the *objects* that were found.",
            "The hits were divided by the number of predictions. A detector that reports one sure "
            "box and misses everything else would be perfect.",
            "Ten objects, one prediction, one hit: how large is recall?",
        ),
        "recall_by_hits": Message(
            "Recall is the share of *all* objects that were found, also of those that nobody "
            "reported.",
            "It was divided by the number of hits, as scikit-learn's `average_precision_score` "
            "does: it cannot know of objects without a prediction.",
            "Which of your three arguments is not used yet?",
        ),
        "no_envelope": Message(
            "Precision at a recall is the best that is reached at that recall *or above*.",
            "The precision of each place itself was used. It zigzags; the envelope takes the "
            "zigzags out.",
            "Walk through the precisions from the end, and keep the largest so far.",
        ),
        "envelope_direction": Message(
            "The envelope looks towards *higher* recall.",
            "It was taken from the front: the largest precision so far. With a hit in the first "
            "place that is 1 for ever.",
            "From which end does the running maximum begin?",
        ),
        "sampled": Message(
            "All places where recall rises count, each with its own step.",
            "Precision was read at 11 or 101 fixed recalls, as Pascal VOC did until 2009 and COCO "
            "does. That is near, and another number.",
            "By how much does recall rise with each hit?",
        ),
        "trapezoid": Message(
            "The area is a sum of rectangles: the step in recall times the precision there.",
            "The points were joined by slanted lines. Between two points of this curve there is "
            "nothing that could be reached.",
            "How wide is each rectangle, and how high?",
        ),
        "precision": Message(
            "Average precision looks at every place of the ranking.",
            "This is the precision of all predictions together: hits over predictions. It does "
            "not ask what was missed, nor in which order.",
            "What is precision after the first prediction? After the second?",
        ),
        "recall": Message(
            "Average precision weighs the steps of recall by precision.",
            "This is the recall of all predictions together. A thousand boxes everywhere would "
            "have it all.",
            "What is precision after the first prediction? After the second?",
        ),
        "f1": Message(
            "Average precision looks at every place of the ranking.",
            "This is F1 of all predictions together, one single point of the curve.",
            "What are precision and recall after the first prediction? After the second?",
        ),
        "mean_of_precisions": Message(
            "Precision counts where recall *rises*: at the hits, over the number of objects.",
            "The precisions of all places were averaged, those of the false alarms included.",
            "By how much does recall rise at a false alarm?",
        ),
        "sure_ones_only": Message(
            "Every prediction has its place in the ranking, also one with a low score.",
            "Predictions with scores below 0.5, or below 0, were left out. A score need not be a "
            "probability; only the order counts.",
            "Does a line of yours compare a score with a number?",
        ),
        "percent": Message(
            "The score lies in [0, 1].",
            "It seems to be in per cent.",
            "What should a perfect detector get?",
        ),
        "curve": Message(
            "One number comes back: the area under the curve.",
            "Several numbers came back, perhaps precision or recall at each place.",
            "How wide is the step between two of them?",
        ),
        "constant": Message(
            "Another ranking gets another score.",
            "The same number came back for different inputs.",
            "Where does your result depend on `is_tp`?",
        ),
        "value": Message(
            "The score is the sum, over the steps of recall, of the step times the best precision "
            "from there on.",
            "Perhaps the ranking was cut at a few thresholds, the precision was used twice (as it "
            "is and as the best from there on), or a case such as a single object is treated in a "
            "way of its own.",
            "Take three predictions (hit, false alarm, hit) of three objects, and work it out by "
            "hand: 1/3 · 1 + 1/3 · 2/3.",
        ),
        "no_predictions": Message(
            "Without any prediction nothing is found, and the score is 0.",
            "An empty list of predictions gave something else.",
            "Which line of yours needs at least one prediction?",
        ),
        "no_truth": Message(
            "Without any object there is no recall, and the score is NaN, with or without "
            "predictions.",
            "A number came back. A mean over classes would take it for a result.",
            "What is 0 / 0? Which case do you ask about first?",
        ),
    },
}

HINTS = {
    "mean_iou": (
        "For one class: how many pixels have it in both maps? In at least one of them? And if the "
        "second number is 0?",
        "For each class k, `(pred == k) & (target == k)` and `(pred == k) | (target == k)`, summed "
        "over *all* images. Keep the classes whose second sum is above 0.",
        "if ...:                            # shapes\n"
        "    raise ValueError(...)\n"
        "ious = []\n"
        "for k in range(n_classes):\n"
        "    intersection = ...             # a number, over all images\n"
        "    union = ...\n"
        "    if ...:\n"
        "        ious.append(intersection / union)\n"
        "return ...",
    ),
    "transfer_encoder": (
        "`encoder.state_dict()` and `segmenter.encoder.state_dict()`: which names should they "
        "have in common, and what if not?",
        "First compare the two sets of names, then the shapes, name by name; either may end in a "
        "ValueError. Only then copy. Loading strictly into `segmenter.encoder` is allowed once you "
        "know that all fits.",
        "source, target = encoder.state_dict(), segmenter.encoder.state_dict()\n"
        "if ... != ...:                     # names\n"
        "    raise ValueError(...)\n"
        "if any(... for name in source):    # shapes\n"
        "    raise ValueError(...)\n"
        "...                                # copy, buffers too\n"
        "return ...",
    ),
    "match_boxes": (
        "Two predictions lie on one object, one object has none. How many hits, and which?",
        "`torchvision.ops.box_iou(boxes, truth)` is a table (P, G). Go through its rows by "
        "descending score. When a true box is taken, make its column useless for the rest.",
        "iou = box_iou(boxes, truth)\n"
        "hits = torch.zeros(len(boxes), dtype=torch.bool)\n"
        "for i in ...:                      # by descending score\n"
        "    if ...:                        # is there a true box at all?\n"
        "        best = ...\n"
        "        if ...:\n"
        "            hits[i] = True\n"
        "            iou[:, best] = ...     # nobody else may have it\n"
        "return hits",
    ),
    "average_precision": (
        "Three objects; the ranking is hit, false alarm, hit. What are precision and recall after "
        "each, and where does recall rise?",
        "Sorted by score, the hits so far (`cumsum`) over the predictions so far are precision. "
        "The envelope is a running maximum that begins at the other end. Then ask by how much "
        "recall rises at a hit, and at a false alarm.",
        "if n_truth == 0:\n"
        "    return ...\n"
        "hits = is_tp[...].float()          # highest score first\n"
        "precision = ... / ...\n"
        "envelope = ...                     # the best from here on: flip, cummax, flip back\n"
        "return float((... * hits).sum() / ...)",
    ),
}
