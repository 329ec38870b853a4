"""What a learner reads about the exercises of module 01."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "preprocess": {
        "not_scaled": Message(
            "Bytes from 0 to 255 become numbers from 0 to 1 before anything else.",
            "The values are still on the scale of bytes, while mean and std are stated for [0, 1].",
            "In which units is a mean of {mean}? In which is a pixel of {byte}?",
        ),
        "guessed": Message(
            "Images of dtype uint8 are always scaled, nearly black ones too.",
            "Perhaps your code looks at the largest value to decide whether the images have been "
            "scaled already. A dark image fools it: the values here are only 0 and 1.",
            "Which property of a tensor says for certain that it holds bytes?",
        ),
        "order": Message(
            "First to [0, 1], then minus mean and divided by std.",
            "Both steps are there, in the other order: mean and std are stated for [0, 1], and "
            "were applied to bytes.",
            "Work out one pixel by hand: {byte}, with mean {mean} and std {std}.",
        ),
        "not_normalised": Message(
            "After scaling, each channel is shifted by its mean and divided by its std.",
            "The images are in [0, 1], which is where torchvision's `ToTensor` stops. The "
            "pretrained network was trained on normalised ones.",
            "Two of your three arguments are waiting to be used.",
        ),
        "256": Message(
            "The brightest byte becomes exactly 1.",
            "This is a division by 256: there are 256 different bytes, but the largest is 255.",
            "What should white become, and what does it become now?",
        ),
        "axis": Message(
            "Each channel has its own mean and std; the channels are axis 1 of (N, C, H, W).",
            "PyTorch lines up shapes from the right, so a mean of shape (C,) meets the *width*. It "
            "runs without an error when that size happens to fit, as here.",
            "Which shape must mean have, so that its C values meet axis 1?",
        ),
        "one_statistic": Message(
            "Each channel has its own mean and std.",
            "The same number was used for all channels: the first one, or the average of them.",
            "Take two channels of one pixel and compare what was subtracted from each.",
        ),
        "constants": Message(
            "The statistics are those passed as `mean` and `std`.",
            "Familiar constants were used, such as 0.5 or those of ImageNet. Other pretrained "
            "networks were trained with other ones.",
            "Look for numbers in your code that should come from an argument.",
        ),
        "own_statistics": Message(
            "The statistics are those passed as `mean` and `std`: of the data the network was "
            "pretrained on.",
            "The images were standardised with their own mean and spread. Then the same picture "
            "becomes something else in other company, and a bright one looks like a dark one.",
            "Which numbers did the network see in its training? Use those.",
        ),
        "multiplied": Message(
            "Subtract the mean, then divide by std.",
            "A multiplication by std stands where a division should; that is how normalising is "
            "undone.",
            "A std below 1 should spread the values out. Does it?",
        ),
        "half_done": Message(
            "Subtract the mean, and divide by std.",
            "One of the two happened.",
            "Take the pixel {byte} with mean {mean} and std {std}, and work it out by hand.",
        ),
        "variance": Message(
            "The divisor is std itself.",
            "The divisor is the square of std, or its square root. A standard deviation is in the "
            "units of the values, so nothing has to be done to it.",
            "Look at the divisor.",
        ),
        "swapped": Message(
            "Mean is subtracted, std divides.",
            "The two have changed places.",
            "Check the order of the arguments, in the signature and where you use them.",
        ),
        "brightest": Message(
            "255 becomes 1, whatever the images show.",
            "The images were divided by their own brightest pixel. It is below 255 here, and a "
            "dark picture would be made bright.",
            "What is the largest value that a byte can have?",
        ),
        "integers": Message(
            "Scaled values keep their fractions.",
            "In whole numbers nearly every byte divided by 255 is 0.",
            "Print the dtype before and after the division.",
        ),
        "clipped": Message(
            "Normalised values may be negative, and larger than 1.",
            "The values were cut off at the ends, though the network expects the whole range.",
            "Look for `clamp`, `clip` or a ReLU.",
        ),
        "layout": Message(
            "Images come and go as (N, C, H, W).",
            "Axes have changed places. Matplotlib and NumPy keep channels last, PyTorch first.",
            "Print the shape after each line.",
        ),
        "channels": Message(
            "Channel c of the result is channel c of the images, with entry c of mean and std.",
            "The channels run the other way, in the images or in the statistics. OpenCV reads "
            "blue first, PyTorch expects red first; here the order is right as it comes.",
            "Follow channel 0 through your code: which mean does it meet?",
        ),
        "resized": Message(
            "Height and width stay what they were.",
            "Ready-made transforms often resize and crop as well. Here only the values change.",
            "Which part of your transform touches the size?",
        ),
        "dtype": Message(
            "The result is float32, the type of the network's weights.",
            "The numbers are right; NumPy and Python compute in float64, and a layer refuses that.",
            "Print `.dtype` of your result.",
        ),
        "float_input": Message(
            "Images that are not uint8 are refused with a ValueError and a sentence.",
            "Floats may have been scaled already. Scaled twice they would be nearly black, and "
            "nobody would notice.",
            "What can you ask the tensor before you touch its values?",
        ),
        "value": Message(
            "Each value is the byte over 255, minus its channel's mean, divided by its channel's "
            "std.",
            "Perhaps the numbers were rounded (half precision keeps three digits), the result was "
            "never filled in, or something else was done to it than these three steps.",
            "Work out one pixel by hand: {byte}, with mean {mean} and std {std}.",
        ),
    },
    "extract_features": {
        "logits": Message(
            "The result is what goes *into* the head: one number for each feature.",
            "These are the logits or probabilities, what comes out of the head: already boiled "
            "down to the old classes.",
            "The model has two parts. Which one makes the features?",
        ),
        "not_pooled": Message(
            "Each image gives one vector, the one that the head would receive.",
            "These are the maps of the last block: they still have a height and a width (perhaps "
            "flattened).",
            "What does the backbone do after its last block?",
        ),
        "pooling": Message(
            "The features are exactly what the head receives.",
            "The maps of the last block were pooled by your own code, in another way than this "
            "backbone pools them. Backbones differ in how they end.",
            "Can you let the backbone finish its own work?",
        ),
        "earlier_block": Message(
            "The features come from the end of the backbone.",
            "These come from an earlier block.",
            "Where does the head get its input?",
        ),
        "children": Message(
            "The features are what enters the head, in whatever order the parts were registered.",
            "The children of a module stand in the order of registration, which need not be the "
            "order of use. Here the head comes first, so leaving out the last child left out the "
            "backbone.",
            "Ask for the part by its name.",
        ),
        "relu": Message(
            "Features may be negative.",
            "Negative values were cut off: a ReLU after the backbone that is not part of the "
            "model.",
            "What stands between the backbone's output and your result?",
        ),
        "rescaled": Message(
            "The features come as the backbone gives them.",
            "They were normalised or centred. That depends on what is done with them later, or on "
            "the other images, and belongs there.",
            "Return them before that step.",
        ),
        "ragged": Message(
            "Every image gives a row, also when N is not divisible by `batch_size`.",
            "The images of the last, smaller batch are missing.",
            "Where does the last batch begin and end, for N = 10 and batches of 4?",
        ),
        "one_batch": Message(
            "The result holds the features of all batches.",
            "This is one batch only: perhaps a `return` inside the loop, or a variable that each "
            "batch overwrites.",
            "Follow your result through two rounds of the loop.",
        ),
        "order": Message(
            "Row i belongs to image i.",
            "The rows are right, their order is not. A shuffling loader does that, and the labels "
            "no longer fit.",
            "What makes the batches, and does it shuffle?",
        ),
        "train_mode": Message(
            "The features of an image do not depend on the other images of its batch.",
            "The model ran in train mode: batch-norm used the statistics of each batch, and "
            "dropout was on. `torch.no_grad()` does not change that.",
            "Which method of a module switches the mode? Call it before the first forward pass.",
        ),
        "buffers": Message(
            "The model's batch-norm statistics are the same after the call.",
            "The features are right, but some forward pass ran in train mode, and batch-norm "
            "stores what it sees there.",
            "Look for a forward pass before the mode is switched.",
        ),
        "graph": Message(
            "The features are plain numbers, cut off from the graph.",
            "The result still requires a gradient: it keeps every intermediate result of the "
            "backbone in memory.",
            "Eval mode and gradients are two things. Which context manager is about gradients?",
        ),
        "head": Message(
            "After the call the model has the head it came with.",
            "The head was exchanged to let the features pass, and not put back. Whoever calls the "
            "model next gets features instead of logits.",
            "Put it back at the end, or find a way that leaves the model alone.",
        ),
        "hook": Message(
            "After the call the model has the hooks that it had before.",
            "A hook of yours stays, and runs at every later forward pass; or a hook of somebody "
            "else went with it.",
            "`register_forward_hook` returns a handle. What can it do?",
        ),
        "mode": Message(
            "Every part of the model leaves in the mode in which it came.",
            "The mode was switched and not put back, or not to what it was. A training loop that "
            "goes on would train in another mode, and nobody would see it.",
            "Remember the mode before you change it.",
        ),
        "model": Message(
            "The model is the same after the call as before it.",
            "Something about the model itself was changed: its weights, its `requires_grad`, or "
            "what its forward pass does.",
            "Look for lines that write to the model. Reading features needs none that stays.",
        ),
        "value": Message(
            "Each row is what enters the head for that image, in eval mode.",
            "Perhaps something comes between the backbone and the result: a normalisation, a "
            "rounding, another layer, or images in another order.",
            "Take one image: compare its row with what the head receives for it.",
        ),
    },
    "linear_probe": {
        "keys": Message(
            "The result is a dict with four keys.",
            "A key is missing or spelt in another way.",
            "Compare the keys with the signature.",
        ),
        "not_a_candidate": Message(
            "The strength is one of those passed in `strengths`.",
            "Perhaps it is C, which is 1 / strength, or a position in the list.",
            "Print what you return as `strength` next to the list.",
        ),
        "transposed": Message(
            "`weight` has one row for each class, as in `torch.nn.Linear`.",
            "Rows and columns have changed places.",
            "Would `x @ weight.T + bias` work with yours?",
        ),
        "one_row": Message(
            "Two classes have two rows of weights too.",
            "scikit-learn keeps a single row for two classes: the difference of the two.",
            "What must the two rows be, so that softmax gives scikit-learn's probabilities?",
        ),
        "two_rows": Message(
            "With two classes, softmax over the two rows gives the probabilities of the fit.",
            "A single row w was turned into -w and w: their difference is 2 w, so every "
            "probability is too sure of itself.",
            "What should the difference of the two rows be?",
        ),
        "swapped_rows": Message(
            "Row k of `weight` belongs to class k.",
            "The two rows have changed places. scikit-learn's single row speaks for class 1.",
            "Which class does a large positive logit in row 0 speak for?",
        ),
        "bias_inside": Message(
            "Weight and bias are returned apart.",
            "The bias is still a column of `weight`.",
            "Split the column off.",
        ),
        "inverted": Message(
            "A larger strength pulls the weights harder towards zero.",
            "It is the other way round here: scikit-learn's C is the *inverse* of a strength.",
            "Fit with a tiny and a huge strength, and print the size of the weights.",
        ),
        "mean": Message(
            "The cross-entropies of all training examples are *added*, then comes the penalty.",
            "They were averaged, which makes the penalty N times as strong.",
            "`F.cross_entropy` has an argument for this.",
        ),
        "half": Message(
            "The penalty is strength / 2 times the sum of squared weights.",
            "It is twice as strong here: the 1/2 is missing.",
            "Compare your penalty with the formula, factor by factor.",
        ),
        "no_penalty": Message(
            "The fit is penalised with the strength that is returned.",
            "These weights are those of a fit without penalty.",
            "Does the strength reach your fit? Print the size of the weights for two strengths.",
        ),
        "bias_penalised": Message(
            "The penalty counts the weights and leaves the bias alone.",
            "The bias was pulled towards zero as well. Some solvers do that, and so does a "
            "column of ones or `weight_decay` on all parameters.",
            "Which of your parameters does the penalty see?",
        ),
        "no_bias": Message(
            "Each class has a bias that is fitted too.",
            "The fit has no bias, so its boundaries must pass through the origin.",
            "Look for the setting of your solver that concerns the intercept.",
        ),
        "standardised": Message(
            "The probe works on the features as given.",
            "They were standardised first. That is another penalty, and the weights do not fit the "
            "features that others will pass to them.",
            "Leave the features alone.",
        ),
        "refit": Message(
            "The weights are fitted on the training data alone.",
            "Once the strength was chosen, the fit was repeated with the validation data added. "
            "Often sensible, but not what is asked here.",
            "Return the fit that the validation data judged.",
        ),
        "another_strength": Message(
            "The weights belong to the strength that is returned.",
            "They are the right fit of another candidate: perhaps of the last one in the loop.",
            "Keep the weights together with their strength.",
        ),
        "probabilities": Message(
            "`weight` and `bias` minimise the sum of cross-entropies plus strength/2 · ‖weight‖².",
            "No usual slip gives these probabilities. Perhaps the solver stopped too early, or it "
            "minimises something else, such as squared errors.",
            "Compare with a fit by scikit-learn on the same data.",
        ),
        "tie": Message(
            "Of strengths with the same validation accuracy, the strongest is taken.",
            "Another one of the best was taken. When two probes do equally well, the simpler one "
            "is the safer bet.",
            "What does your search do when an accuracy *equals* the best so far?",
        ),
        "test": Message(
            "The test labels change nothing but `test_accuracy`.",
            "Here they decide more than that. A strength chosen on the test set makes its accuracy "
            "too good, and nothing is left to find that out with.",
            "Follow `test_x` and `test_y` through your code: where is the first use?",
        ),
        "train": Message(
            "The strength with the best accuracy on the *validation* data is taken.",
            "This one is the best on the training data, which nearly always likes the weakest "
            "penalty.",
            "On which data do you compare the candidates?",
        ),
        "loss": Message(
            "The candidates are compared by their validation *accuracy*.",
            "This one has the lowest validation loss. Accuracy and loss often disagree: a loss "
            "also counts how sure a mistaken answer was.",
            "Which number do you compare?",
        ),
        "strength": Message(
            "The strength with the best validation accuracy is taken.",
            "Another candidate was taken, though it is less accurate on the validation data.",
            "Print the validation accuracy of each candidate.",
        ),
        "percent": Message(
            "`test_accuracy` is a share between 0 and 1.",
            "This is a percentage, or a count.",
            "By what must a count be divided?",
        ),
        "validation_accuracy": Message(
            "`test_accuracy` is measured on the test data.",
            "This is the accuracy on the validation data. The strength was chosen to make it high.",
            "Which data goes into the last line?",
        ),
        "training_accuracy": Message(
            "`test_accuracy` is measured on the test data.",
            "This is the accuracy on the training data.",
            "Which data goes into the last line?",
        ),
        "best_test": Message(
            "`test_accuracy` is that of the chosen strength.",
            "This is the best test accuracy of all candidates, which nobody could have known.",
            "How many test accuracies does your function compute? One is enough.",
        ),
        "error": Message(
            "`test_accuracy` is the share of right answers.",
            "This is the share of the mistakes.",
            "Look at the comparison.",
        ),
        "test_accuracy": Message(
            "`test_accuracy` is the accuracy of the returned weight and bias on the test data.",
            "The weights are right, but this number is not what they reach.",
            "Compute the logits of `test_x` from what you return, and count.",
        ),
    },
    "freeze": {
        "nothing_returned": Message(
            "The function returns the module.",
            "Nothing was returned.",
            "Is there a `return`?",
        ),
        "copy": Message(
            "The function changes the given module and returns that very one.",
            "Something else came back: a copy, a wrapper, or a list. Whoever holds the original, "
            "such as the model around it, still has one that is not frozen.",
            "Which lines make a new object?",
        ),
        "nothing_frozen": Message(
            "No parameter asks for a gradient any more.",
            "All of them still do.",
            "Print `[p.requires_grad for p in module.parameters()]` after your function.",
        ),
        "misspelt": Message(
            "No parameter asks for a gradient any more.",
            "An attribute called `{name}` was set. Python accepts any name without a word, and "
            "PyTorch looks at another one.",
            "Compare the spelling with PyTorch's, letter by letter.",
        ),
        "on_the_module": Message(
            "No *parameter* asks for a gradient any more.",
            "`requires_grad` was set on a module. There it is only a new attribute that nobody "
            "reads; it belongs to the parameters.",
            "How do you reach all the parameters of a module?",
        ),
        "some": Message(
            "*All* parameters, at any depth, ask for no gradient.",
            "Some were passed over: another block, batch-norm's scale and shift, or those of "
            "submodules.",
            "List the names with `module.named_parameters()` and see which are left.",
        ),
        "reset": Message(
            "Freezing changes no parameter and no buffer.",
            "Values were reset or overwritten, and what pretraining had learned is gone.",
            "Compare `module.state_dict()` before and after.",
        ),
        "still_training": Message(
            "A frozen module computes what it did when pretraining ended, right away.",
            "`requires_grad` is about gradients only. The module is still in train mode, where "
            "batch-norm uses the statistics of the batch and moves its own.",
            "Batch-norm's running mean is not a parameter. What moves it, and when?",
        ),
        "undone": Message(
            "The module stays in eval mode, also after a later `train()`.",
            "It was in eval mode for a while. Every training loop begins with `model.train()`, "
            "which reaches all submodules, and batch-norm's statistics moved on.",
            "What does `train()` call on each submodule? Can the module answer it differently?",
        ),
        "root_only": Message(
            "Every *submodule* stays in eval mode, also after its own `train()`.",
            "The module itself is protected, its submodules are not: `train()` called on one of "
            "them never asks the module around it.",
            "Whose `train` did you change, and whose not?",
        ),
        "called_alone": Message(
            "Every submodule stays in eval mode, also when it is called by itself.",
            "The protection works when the whole module is called, perhaps by a hook. Somebody who "
            "calls a single block goes past it.",
            "Do for each of `module.modules()` what you did for the module.",
        ),
        "counter": Message(
            "All buffers keep still, also `num_batches_tracked`.",
            "The running statistics are held, perhaps by a momentum of zero, but batch-norm is "
            "still in train mode: it counts batches and computes with their statistics.",
            "In which mode does batch-norm *use* its running statistics?",
        ),
        "batch_statistics": Message(
            "Batch-norm computes with its pretrained statistics, also after `train()`.",
            "Its buffers keep still, but it no longer uses them: the output depends on the other "
            "images of the batch.",
            "In which mode does batch-norm *use* its running statistics?",
        ),
        "buffers_lost": Message(
            "All buffers are kept, with their pretrained values.",
            "Batch-norm's statistics were taken away. Without them it computes with those of the "
            "batch, in either mode.",
            "What should batch-norm compute with, once it is frozen?",
        ),
        "other_layers": Message(
            "Every layer stays in eval mode, whatever its kind.",
            "Batch-norm is held, but something else still acts as in training: dropout, or a layer "
            "of somebody's own.",
            "Does your code ask for the type of a layer? It need not.",
        ),
        "stale": Message(
            "No parameter keeps an old gradient: `.grad` is None.",
            "The gradients of the last step are still there. An optimiser does not ask whether a "
            "parameter is frozen: it sees a gradient, and momentum and weight decay go on.",
            "What does an optimiser skip? Look at what `optimizer.zero_grad()` leaves behind.",
        ),
        "zeroed": Message(
            "No parameter keeps a gradient: `.grad` is None.",
            "The gradients are tensors of zeros. For an optimiser that is a gradient like any "
            "other: momentum and weight decay still move the weights.",
            "Zeros and nothing are two things here. Which one makes an optimiser pass by?",
        ),
        "moved": Message(
            "No parameter and no buffer moves, whatever the training around it does.",
            "Something still moves after a few steps with momentum and weight decay.",
            "Compare `module.state_dict()` before and after three training steps.",
        ),
        "rest": Message(
            "What is not frozen trains as before.",
            "The part around the frozen module does not learn as it would on top of pretrained "
            "features. Perhaps more was frozen than was asked for, or the output is not what it "
            "was.",
            "Freeze only what was passed to you.",
        ),
        "input_gradient": Message(
            "A gradient still flows *through* the module to its input.",
            "The way back is cut, as by `no_grad` around the forward pass or by `detach`. Frozen "
            "means that the weights do not move, not that nobody may look through them: layers in "
            "front could not learn.",
            "Freeze the parameters and leave the forward pass alone.",
        ),
        "late": Message(
            "Every part *is* in eval mode, whenever somebody looks.",
            "Its outputs are right, yet after `train()` its `training` is True: eval mode comes "
            "back only with the next forward pass. Until then the part says the contrary.",
            "Do not repair what `train()` has done: make `train()` do nothing there.",
        ),
        "unusable": Message(
            "A frozen module can be used like any other: `train()`, `eval()`, forward, backward.",
            "Something that was put in place of PyTorch's own method does not take the same "
            "arguments or cannot be trained through.",
            "Which arguments does `train` take? Try `module.train()`, `module.train(False)`, and a "
            "backward pass with a head on top.",
        ),
        "twice": Message(
            "Frozen twice is frozen once.",
            "The first call is right; a second one on the same module undoes or spoils something.",
            "Call your function twice, and look at the flags and modes after each.",
        ),
    },
}

HINTS = {
    "preprocess": (
        "A white pixel is 255. What should it be for the network, if the mean of its channel is "
        "0.5 and the std 0.25?",
        "Three steps: refuse what is not `torch.uint8`; scale to [0, 1]; normalise. Mean and std "
        "have the shape (C,), and must meet axis 1 of (N, C, H, W). Shapes are lined up from the "
        "right, and indexing with `None` adds an axis of size 1 where it stands.",
        "if images.dtype != ...:\n"
        "    raise ValueError(...)          # say what is expected\n"
        "scaled = ...                       # float32 in [0, 1]\n"
        "return (scaled - mean[...]) / ...  # which axes must be added?",
    ),
    "extract_features": (
        "The head is a linear layer. What does it receive, and from which part of the model?",
        "As in `evaluate`: remember the mode, switch to eval, no gradients, one batch after the "
        "other, put the mode back. Collect the outputs of one part of the model in a list.",
        "was_training = model.training\n"
        "...                                    # the mode for a forward pass\n"
        "with ...:                              # no gradients\n"
        "    parts = [... for batch in images.split(batch_size)]\n"
        "...                                    # the mode as it was\n"
        "return torch.cat(...)",
    ),
    "linear_probe": (
        "Three data sets, three purposes. Which one may decide the weights, which one the "
        "strength, and what is left for the third?",
        "scikit-learn's `LogisticRegression` minimises the same sum with C = 1 / strength. For "
        "each candidate: fit on train, measure on validation. With two classes `coef_` has one "
        "row w; two rows whose difference is w give the same probabilities.",
        "best = None\n"
        "for strength in sorted(strengths):     # why does the order help with ties?\n"
        "    fit = LogisticRegression(C=..., max_iter=1000).fit(..., ...)\n"
        "    accuracy = fit.score(..., ...)     # on which data?\n"
        "    if best is None or accuracy ... best[0]:\n"
        "        best = accuracy, strength, fit\n"
        "...                                    # weight and bias; two rows for two classes\n"
        "test_accuracy = ...                    # only now, once",
    ),
    "freeze": (
        "Name everything that can change in a network during training. Which of it is moved by an "
        "optimiser, and which by a forward pass?",
        "Three things for each parameter or submodule: no gradient wanted, no old gradient left, "
        "and eval mode that a later `train()` cannot undo. Python looks for `part.train` on the "
        "object before it looks in the class, so each part can have its own.",
        "for parameter in module.parameters():\n"
        "    ...                                # two attributes to set\n"
        "for part in module.modules():          # the module itself, and all below it\n"
        "    ...                                # into eval mode\n"
        "    part.train = lambda mode=True, part=part: ...   # what should train() do now?\n"
        "return ...",
    ),
}
