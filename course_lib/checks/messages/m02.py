"""What a learner reads about the exercises of module 02."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "param_groups": {
        "states": Message(
            "Every group states `params`, `lr` and `weight_decay`.",
            "One of the three is left out. Then the optimiser fills in its own default, which may "
            "not be what you meant.",
            "Print the keys of each of your groups.",
        ),
        "empty": Message(
            "No group is empty.",
            "A block in which everything is frozen, or nothing is left over, still got a group.",
            "When is there nothing to put into a group? Leave that group out.",
        ),
        "stranger": Message(
            "`params` holds the model's own parameters.",
            "Something else is in a group, such as a name from `named_parameters()`, a copy, or a "
            "whole module. An optimiser cannot move the model through it.",
            "Print the type of the first thing in each group.",
        ),
        "frozen": Message(
            "Frozen parameters are in no group.",
            "All parameters were taken, also those whose `requires_grad` is False.",
            "Which attribute tells you that a parameter trains?",
        ),
        "missing": Message(
            "Every trainable parameter of the backbone is in a group.",
            "Some are in none. No optimiser that is built from these groups will ever move them, "
            "and none will complain.",
            "Count the parameters in your groups and those of the model. Which blocks, or which "
            "kinds of parameter, were passed over?",
        ),
        "no_head": Message(
            "The head has groups, too.",
            "The backbone is complete, the head is not. A new head that does not train guesses for "
            "ever.",
            "Which parts does the model have beside `backbone.blocks`?",
        ),
        "twice": Message(
            "Each parameter is in exactly one group.",
            "Some are in two, perhaps in one for their block and in another for biases. PyTorch "
            "refuses such groups.",
            "Draw your groups as sets: where do two of them overlap?",
        ),
        "one_rate": Message(
            "The further a block lies below the head, the lower its rate.",
            "Everything got the head's rate. That is ordinary fine-tuning; `layer_decay` was not "
            "used.",
            "By how many steps does each block lie below the head?",
        ),
        "two_rates": Message(
            "Each block has a rate of its own, one step of `layer_decay` below the next.",
            "There are two rates, one for the head and one for the whole backbone. That is a "
            "common recipe, too, but not this one.",
            "Which number must enter the exponent?",
        ),
        "upside_down": Message(
            "The block next to the head moves most, the block at the input least.",
            "The decay runs the other way: the block at the input, which sees edges and is the "
            "most general, got the highest rate of the backbone.",
            "`blocks[0]` is at the input. How many steps is it from the head?",
        ),
        "open_blocks": Message(
            "The rate of a block depends on its place among all blocks of the backbone.",
            "Only the blocks that train seem to have been counted. Then freezing one block changes "
            "the rate of those before it.",
            "Freeze a block in the middle. Which rates may that change?",
        ),
        "off_by_one": Message(
            "The last block lies exactly one step below the head.",
            "The rates fall in the right direction, but one step too early or too late.",
            "Work out the exponent for the last block and for the first, with three blocks.",
        ),
        "head_rate": Message(
            "The head gets `head_lr` itself.",
            "The head's rate was decayed as well, or came from somewhere else.",
            "How many steps is the head below the head?",
        ),
        "above_head": Message(
            "No block has a higher rate than the head.",
            "The rates were divided by `layer_decay` instead of multiplied: the deeper, the "
            "faster. So the pretrained weights would be gone first.",
            "Is `layer_decay` above or below 1? What does multiplying with it do to a rate?",
        ),
        "linear": Message(
            "Every step down multiplies the rate with `layer_decay`.",
            "The rates fall in a line, by a product or a share of the block's number. Between two "
            "neighbours the *ratio* should always be the same.",
            "Divide the rates of neighbouring blocks by each other.",
        ),
        "rate": Message(
            "Block i of L has the rate `head_lr` times `layer_decay` to the power L - i + 1.",
            "Some rates follow another rule.",
            "Print block by block the rate you give beside the one you expect.",
        ),
        "decay_everywhere": Message(
            "What has fewer than two dimensions gets no weight decay.",
            "Biases, or batch-norm's scales and shifts, are decayed. A scale of batch-norm starts "
            "at 1; pulling it towards 0 shuts its channel.",
            "Which property of a tensor tells a filter from a bias?",
        ),
        "by_name": Message(
            "What has fewer than two dimensions gets no weight decay, whatever its name.",
            "Biases are exempt, batch-norm's scales are not: they are called `weight` as well. A "
            "name says little.",
            "Which shape has a scale of batch-norm, and which a filter?",
        ),
        "no_decay": Message(
            "Weight matrices and filters get `weight_decay`.",
            "Nothing is decayed at all.",
            "One of the four arguments is waiting to be used.",
        ),
        "decay": Message(
            "Weight matrices and filters get `weight_decay` itself, at any depth.",
            "Some get another value: perhaps it was made smaller with depth, as the rate is, or "
            "exempt and decayed were swapped.",
            "Print name, shape and weight decay of each parameter.",
        ),
        "changed": Message(
            "The function only lists; the model is afterwards what it was.",
            "A parameter, a buffer or a `requires_grad` flag changed.",
            "Compare `model.state_dict()` and the flags before and after.",
        ),
        "step": Message(
            "One step of an optimiser with these groups moves each parameter by its own rate.",
            "The lists read well, but a step with them moves something else.",
            "Take one step of plain SGD with your groups, and look at what moved and how far.",
        ),
    },
    "best_checkpoint": {
        "copy": Message(
            "Both callables get the model itself.",
            "They were given something else, such as a copy. Then the training happens to another "
            "model than the one that is scored or returned.",
            "What do you pass to the two callables?",
        ),
        "order": Message(
            "Each epoch is trained first and scored then.",
            "The score was taken before the epoch's training, so it belongs to the epoch before.",
            "Write down the calls of the first two epochs, in order.",
        ),
        "calls": Message(
            "Each callable runs once per epoch.",
            "One of them was called more often. Training twice is another training; scoring twice "
            "may give another score, and costs time.",
            "Keep what a call returns in a variable.",
        ),
        "stopped": Message(
            "All the epochs are run.",
            "The loop ended early. Early *stopping* would do that; here the model trains on, and "
            "the best epoch may still come.",
            "What ends your loop?",
        ),
        "from_zero": Message(
            "Epochs are counted from 1.",
            "The right epoch was found, and counted from 0.",
            "What does `range(epochs)` start with?",
        ),
        "nan": Message(
            "A score that is NaN is never the best.",
            "Every comparison with NaN is False, so NaN stays wherever it got in, often from the "
            "first epoch.",
            "What is `0.9 > nan`? And `0.9 <= nan`? Follow your comparison through the scores.",
        ),
        "latest": Message(
            "Of equal scores the earliest epoch counts.",
            "A later epoch with the same score has replaced it.",
            "Which comparison lets an equal score pass?",
        ),
        "lowest": Message(
            "Higher is better.",
            "The epoch with the lowest score was kept, as for a loss.",
            "Which way does your comparison point?",
        ),
        "last": Message(
            "The *best* epoch is returned.",
            "It is the last one.",
            "What do you return, and when was it set?",
        ),
        "negative": Message(
            "A score may be any number, also below zero.",
            "All scores were negative here (a negative loss, say), and none counted as the best. "
            "Perhaps your search starts from 0.",
            "Which first value can no score fail to beat?",
        ),
        "epoch": Message(
            "The best epoch is the one with the highest score.",
            "Another epoch was returned.",
            "Print the epoch, its score and the best so far, in every round.",
        ),
        "score": Message(
            "The second thing returned is the score of the best epoch.",
            "The epoch is right, and the score is of another one, or was changed.",
            "Keep the epoch and its score together, in one place.",
        ),
        "no_state": Message(
            "The third thing returned is the model's state_dict: every name, with a tensor.",
            "It is something else, such as the model itself, or a part of the names.",
            "Could `model.load_state_dict(...)` take what you return?",
        ),
        "buffers": Message(
            "The state has the buffers, too.",
            "Only the parameters are there. Without batch-norm's running statistics the best epoch "
            "cannot be put back.",
            "Compare the names in `named_parameters()` with those in `state_dict()`.",
        ),
        "aliased": Message(
            "The kept state stays what it was, whatever the model does next.",
            "It changes while the model trains on: `state_dict()` is no copy. It holds the model's "
            "own tensors, and a new dict around them is not enough.",
            "What does a tensor need so that later training does not reach it?",
        ),
        "last_state": Message(
            "The state is of the best epoch.",
            "It is a copy, but made after the last epoch.",
            "At which moment do you make the copy?",
        ),
        "before": Message(
            "The state is of the moment *after* the best epoch's training.",
            "It was taken before that epoch was trained.",
            "In which order do you train, copy and score?",
        ),
        "state": Message(
            "The state holds the values the model had when it was scored best.",
            "Some values are others.",
            "Compare `model.state_dict()` right after the best epoch with what you return.",
        ),
        "rewound": Message(
            "The model itself is left at its last epoch.",
            "The best state was loaded back into it. The caller may want that, and can do so; here "
            "the two stay apart.",
            "Which line writes into the model?",
        ),
        "all_nan": Message(
            "If no epoch has a score, a `ValueError` says so in a sentence.",
            "All scores were NaN, and something was returned nevertheless. Whoever loads it "
            "believes it is the best.",
            "How do you know at the end that there was no best epoch?",
        ),
    },
    "unfreeze": {
        "no_optimizer": Message(
            "The optimiser is returned.",
            "Something else is, or nothing.",
            "What does the caller need for the next step of training?",
        ),
        "all_open": Message(
            "The blocks that are not yet open are frozen.",
            "Everything trains. Opening is half of the task; the blocks below must be shut.",
            "Mind `blocks[-0:]`: every block. Which parameters ask for a gradient at stage 0?",
        ),
        "head_shut": Message(
            "The head trains at every stage.",
            "The right blocks are open, the head is not.",
            "Which part of the model is new, and needs training most?",
        ),
        "from_input": Message(
            "Blocks open from the head towards the input.",
            "They were opened from the input side. Those see edges, which serve any task; the "
            "last ones are made for the old one.",
            "`blocks[0]` is at the input. Which slice holds the last `stage` blocks?",
        ),
        "not_cumulative": Message(
            "At stage s the last s blocks are open, all of them.",
            "Only the newest block is open, and those opened before were shut again.",
            "What should be open at stage 2: one block or two?",
        ),
        "off_by_one": Message(
            "Stage 0 opens the head alone; stage s opens s blocks as well.",
            "There is one block too many, or one too few.",
            "Count the open blocks at stages 0 and 1.",
        ),
        "still_open": Message(
            "What is not open is shut, also when the stage goes down.",
            "Something that an earlier stage opened, or that was never shut, still asks for a "
            "gradient.",
            "Call it with stage 2 and then with stage 0, and list what trains.",
        ),
        "flags": Message(
            "The head and the last `stage` blocks train, and nothing else.",
            "Other parameters do.",
            "List the names of all parameters that ask for a gradient, at each stage.",
        ),
        "reset": Message(
            "Opening and shutting changes no parameter and no buffer.",
            "Values changed during the call.",
            "Compare `model.state_dict()` before and after.",
        ),
        "never_got": Message(
            "The optimiser holds everything that trains.",
            "Parameters ask for a gradient and even get one, but no group of the optimiser holds "
            "them. They never move, and nobody says so.",
            "Compare the parameters in `optimizer.param_groups` with those that train.",
        ),
        "twice": Message(
            "Each trainable parameter is in exactly one group, also after a second call.",
            "Some are in two: each of them would be moved twice per step.",
            "How can you tell which parameters the optimiser holds already? Compare by identity, "
            "not by value.",
        ),
        "again": Message(
            "A second call with the same stage changes nothing.",
            "Nothing new is open, and yet the optimiser got another group, an empty one. After a "
            "hundred calls it has a hundred.",
            "When is there nothing to add?",
        ),
        "rate": Message(
            "New groups have the rate of the optimiser's first group.",
            "Another rate was used: the default of the optimiser's class, the one with which the "
            "optimiser was once made, which a schedule has changed since, or that of another "
            "group.",
            "Where does an optimiser keep its *present* rates?",
        ),
        "stale": Message(
            "What is shut does not move at all.",
            "`requires_grad` is False, yet the weights drift in later steps: an old gradient still "
            "lies in `.grad`, and momentum and weight decay go on from there.",
            "Remember `freeze` in module 01: which second attribute of a parameter must be "
            "cleared?",
        ),
        "batchnorm": Message(
            "Batch-norm of a shut block keeps its statistics, also after `model.train()`.",
            "The weights stand still, and the running statistics follow the new data.",
            "Remember `freeze` in module 01: what must a shut block do when `train()` is called?",
        ),
        "still": Message(
            "What is open trains.",
            "A parameter is open and in a group, and did not move in training.",
            "Look at its gradient after a backward pass, and at its group's rate.",
        ),
        "unusable": Message(
            "The model and the optimiser can be used as usual: `train()`, backward, `step()`.",
            "A step of training stopped with an error.",
            "Take one training step by hand after your function.",
        ),
        "too_far": Message(
            "A stage beyond the number of blocks is refused with a `ValueError` that says so.",
            "The call went through, and the caller believes that there was one more block to open.",
            "How many stages does a backbone of two blocks have?",
        ),
    },
    "lp_ft": {
        "backbone_moved": Message(
            "In phase one the backbone does not move.",
            "Backbone weights changed although only the head was to be fitted. Perhaps the "
            "optimiser holds them, too, or weight decay pulls at them.",
            "Call it with `ft_steps=0` and compare the backbone before and after.",
        ),
        "statistics": Message(
            "In phase one the features come from eval mode, and batch-norm keeps its statistics.",
            "The weights stood still, but the running statistics moved: a forward pass in train "
            "mode.",
            "In which mode does your first phase run the backbone?",
        ),
        "batchnorm": Message(
            "In phase two batch-norm keeps its pretrained statistics, too.",
            "Its buffers moved. Phase one fitted the head to features of eval mode; with batch "
            "statistics phase two would train on other features.",
            "`model.train()` switches every layer. Which layers should stay?",
        ),
        "probe": Message(
            "After phase one the head is fitted: with ft_steps=0 the model is a linear probe.",
            "The head is far from what a logistic regression finds on the same features. Perhaps "
            "phase one is left out, takes a few steps instead of `probe_steps`, or the fitted head "
            "is not the one in the model.",
            "Print the training accuracy at the end of phase one.",
        ),
        "old_head": Message(
            "Phase one fits a *new* head.",
            "It went on from the head that came with the model. That one is sure of the classes of "
            "its old task, and must unlearn them before it learns these.",
            "Where in your function is the new layer made?",
        ),
        "not_cleared": Message(
            "Each step of an optimiser follows the gradient of its own loss only.",
            "`backward()` *adds* to `.grad`. Somewhere a step used a gradient that an earlier one, "
            "perhaps of phase one, had left there. It works like a momentum that nobody chose.",
            "Go through two rounds of each loop, and note what lies in `.grad` at every line.",
        ),
        "ft_rate": Message(
            "The steps of phase two have the size `ft_lr`: at a rate of nearly 0 nothing moves.",
            "Weights of the backbone moved nevertheless. Perhaps the optimiser of phase two has "
            "another rate, its default one say, or a weight decay of its own.",
            "Which rate does your second optimiser print in its `param_groups`?",
        ),
        "probe_rate": Message(
            "Phase one has a rate of its own.",
            "The head learns with `ft_lr`, which is meant for pretrained weights: so small that a "
            "new head stays where it started.",
            "Which of the arguments belong to which phase?",
        ),
        "head_reset": Message(
            "Phase two starts from the head that phase one has fitted.",
            "With a rate of nearly 0 phase two should leave the probe as it is, and yet its "
            "accuracy is gone. Perhaps a new head is made between the phases.",
            "Follow `model.head` from the end of phase one to the first step of phase two.",
        ),
        "no_second_phase": Message(
            "With ft_steps above 0 everything trains.",
            "Neither backbone nor head moved in phase two.",
            "What asks for a gradient when phase two begins, and what does its optimiser hold?",
        ),
        "backbone_frozen": Message(
            "In phase two the backbone trains.",
            "Only the head moved. What phase one froze must be opened, *and* the optimiser of "
            "phase two must hold it.",
            "List what asks for a gradient when phase two begins.",
        ),
        "some_frozen": Message(
            "In phase two *every* parameter trains.",
            "Some parameters of the backbone stayed where they were.",
            "Which of them does the optimiser of phase two hold?",
        ),
        "head_frozen": Message(
            "In phase two the head trains as well.",
            "The backbone moved, the head did not.",
            "What does the optimiser of phase two hold?",
        ),
        "loss": Message(
            "At a small `ft_lr` phase two lowers the training loss.",
            "It rose, or stayed. Perhaps the steps go uphill, the labels are of other images, or "
            "the rate is another than `ft_lr`.",
            "Print the loss before and after phase two.",
        ),
        "mode": Message(
            "The model comes back in the mode in which it came.",
            "Some part was left in another mode.",
            "What is the last thing your function does to the mode?",
        ),
    },
}

HINTS = {
    "param_groups": (
        "Three blocks and a head: which rate does each of the four get, in terms of `head_lr` and "
        "`layer_decay`?",
        "Walk from the head down to the input (`reversed` turns the blocks round) and count the "
        "steps: the count is the exponent. In each part keep only what trains, and split that by "
        "`ndim`.",
        "groups = []\n"
        "for depth, part in enumerate(...):     # the head first, then the blocks from the last\n"
        "    trainable = [p for p in part.parameters() if ...]\n"
        "    for params, decay in (([... if p.ndim >= 2], ...), ([...], ...)):\n"
        "        if params:\n"
        "            groups.append({'params': params, 'lr': ..., 'weight_decay': decay})\n"
        "return groups",
    ),
    "best_checkpoint": (
        "`state = model.state_dict()`, and then the model trains on. What is in `state` now?",
        "Remember three things: epoch, score, state. Replace all three when a score is better than "
        "the best. `copy.deepcopy` of a state_dict copies every tensor. Compare so that NaN loses.",
        "best = None\n"
        "for epoch in range(1, epochs + 1):\n"
        "    ...                                # train, then score\n"
        "    if score == score and (best is None or ...):   # NaN differs from itself\n"
        "        best = epoch, score, ...       # a copy that later training cannot reach\n"
        "if best is None:\n"
        "    raise ValueError(...)\n"
        "return best",
    ),
    "unfreeze": (
        "Two things must come together before a parameter moves. One is its flag. Which is the "
        "other?",
        "Shut blocks as in module 01: flag, `.grad`, eval mode that lasts (the library's `freeze` "
        "and its way back are welcome). Then collect what trains and is in none of "
        "`optimizer.param_groups`, and call `add_param_group` once.",
        "blocks = list(model.backbone.blocks)\n"
        "if stage > len(blocks):\n"
        "    raise ValueError(...)\n"
        "n_shut = ...\n"
        "for part in [*blocks[n_shut:], model.head]:\n"
        "    ...                                # open: the flag, and train() as usual\n"
        "for block in blocks[:n_shut]:\n"
        "    ...                                # shut: as `freeze` does\n"
        "held = {id(p) for group in ... for p in group['params']}\n"
        "new = [p for p in model.parameters() if ... and id(p) not in held]\n"
        "if new:\n"
        "    optimizer.add_param_group({'params': new, 'lr': ...})\n"
        "return optimizer",
    ),
    "lp_ft": (
        "At the end of phase one, what would a phase two with a rate of exactly 0 give?",
        "Phase one: features in eval mode without a graph, once; then steps on `model.head` alone, "
        "with a rate of its own such as 0.01. Phase two: an optimiser over all parameters with "
        "`ft_lr`; `model.train()`, then every batch-norm layer back to `eval()`.",
        "model.eval()\n"
        "with torch.no_grad():\n"
        "    features = ...\n"
        "optimizer = torch.optim.Adam(..., lr=0.01)     # whose parameters?\n"
        "for _ in range(probe_steps):\n"
        "    ...                                # cross-entropy of model.head(features)\n"
        "optimizer = torch.optim.Adam(..., lr=...)      # whose parameters now?\n"
        "for _ in range(ft_steps):\n"
        "    ...                                # cross-entropy of model(images)\n"
        "return model",
    ),
}
