"""What a learner reads about the exercises of module 07."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "LoRALinear": {
        "module": Message(
            "`LoRALinear(linear, rank, alpha)` makes an `nn.Module`.",
            "Something else came out: perhaps the class does not inherit from `nn.Module`, so it "
            "has no parameters that an optimiser could find.",
            "What stands in the brackets of your `class` line?",
        ),
        "base_changed": Message(
            "The given linear keeps its weight and its bias, before and after training.",
            "They have changed: overwritten at the start, or moved by training.",
            "The update stands *beside* the old weight. Which line writes into it?",
        ),
        "nothing_trains": Message(
            "The two factors are parameters: training finds them.",
            "No parameter asks for a gradient. A plain tensor as an attribute is not a parameter, "
            "even with `requires_grad=True`: `module.parameters()` does not list it.",
            "Print `list(module.parameters())`. What turns a tensor into a parameter?",
        ),
        "base_trains": Message(
            "The given linear is frozen: only the factors train.",
            "Its weight or bias still asks for a gradient. Then everything trains, and nothing is "
            "saved: not the memory of the optimiser, not the old weights.",
            "Module 01: what must be False for each parameter of the given linear?",
        ),
        "one_factor": Message(
            "Both factors train.",
            "Only one of them does. The zero one must leave zero, and the random one must find its "
            "directions.",
            "List `module.named_parameters()` with their `requires_grad`.",
        ),
        "factors": Message(
            "Two factors train, of rank · in and rank · out numbers, and nothing else.",
            "There are more tensors, fewer, or larger ones: perhaps a bias in a factor, or an "
            "update in full size.",
            "Write the shapes of A and B beside those of W. Which sides are multiplied away?",
        ),
        "dtype": Message(
            "The factors have the dtype of the weight.",
            "New tensors are float32 unless told otherwise; the given linear is not.",
            "Which argument of `torch.zeros` and `torch.randn` says so?",
        ),
        "device": Message(
            "The factors live on the device of the weight.",
            "New tensors are made on the CPU unless told otherwise. The check uses the device "
            "called `meta`, which every computer has.",
            "Which argument of `torch.zeros` and `torch.randn` says so?",
        ),
        "both_zero": Message(
            "One factor starts at zero, the other at random.",
            "Both are zero. The gradient of each factor is multiplied by the other one, so both "
            "gradients are zero too: it never learns, and nothing complains.",
            "Work out the gradient of B A x with respect to A, for B = 0 and A = 0.",
        ),
        "none_zero": Message(
            "One factor starts at zero, so that training starts at the pretrained layer exactly.",
            "Both are random. Their product is noise on the pretrained weight, before anything has "
            "been learned.",
            "Which product should the two have at the start?",
        ),
        "start": Message(
            "Before training the output is that of the given linear.",
            "The update is zero and the output is another one all the same: the old part is not "
            "what the given linear computes.",
            "Compare `linear(x)` with `LoRALinear(linear, rank, alpha)(x)` for one x.",
        ),
        "no_base": Message(
            "The output is that of the given linear plus the update.",
            "The given linear's part is missing: the output is the update alone.",
            "What does the module compute as long as the update is zero?",
        ),
        "no_bias": Message(
            "The bias of the given linear is part of the output.",
            "Its weight was used, and its bias was left out.",
            "Which call gives W x + b in one go?",
        ),
        "everything_scaled": Message(
            "The factor alpha / rank belongs to the update alone.",
            "It multiplies the given linear's output as well, so training does not start at the "
            "pretrained layer.",
            "Where do your brackets close?",
        ),
        "not_random": Message(
            "The factor that is not zero is random, and each of its rows points its own way.",
            "Its entries repeat. Rows that are equal get equal gradients, stay equal, and a rank "
            "of four is worth one.",
            "How does a new `nn.Linear` fill its weight, and why not with ones?",
        ),
        "no_update": Message(
            "The output follows the factors as they are now.",
            "With other factors the output stays the same: the update is not used, or it was "
            "multiplied out once and for all.",
            "Where do A and B appear in `forward`?",
        ),
        "alpha": Message(
            "The update is multiplied by alpha / rank.",
            "It is multiplied by alpha. With a larger rank more terms add up, so the update grows, "
            "and a learning rate found at one rank no longer fits at another.",
            "Compare the size of B A x for ranks 1 and 64, both random.",
        ),
        "unscaled": Message(
            "The update is multiplied by alpha / rank.",
            "It is used as it is, and alpha does nothing.",
            "Which of your three arguments is waiting to be used?",
        ),
        "scale": Message(
            "The update is multiplied by alpha / rank, once.",
            "Another combination of alpha and rank multiplies it, or the same one twice.",
            "Which number should it be for alpha = 8 and rank = 4?",
        ),
        "subtracted": Message(
            "The update is added.",
            "It is subtracted. Training would find its way, but `merge` and everybody else who "
            "reads A and B would not.",
            "Look for the minus.",
        ),
        "activation": Message(
            "The update is linear: x, then A, then B.",
            "A ReLU stands between the factors, as in an adapter. That can no longer be written as "
            "a change of W, so it could never be merged.",
            "What stands between A and B in your `forward`?",
        ),
        "value": Message(
            "The output is W x + b + (alpha / rank) · B A x.",
            "Perhaps a factor of the update is missing or doubled, or something random, such as "
            "dropout, acts in between.",
            "Take in = 2, out = 3, rank = 1, and work out one x by hand.",
        ),
        "no_gradient": Message(
            "A gradient reaches both factors.",
            "At least one does not move in training: the way back is cut, as by `torch.no_grad()`, "
            "`detach()` or `.data` in the forward pass.",
            "After `backward()`, print `.grad` of each parameter.",
        ),
        "input_gradient": Message(
            "A gradient still flows through the layer to its input.",
            "The part of it that comes through the given linear is missing, as under `no_grad`. "
            "Frozen means that its weights do not move; the layers in front learn through it.",
            "Which parameters need `requires_grad` False? The forward pass needs nothing.",
        ),
        "training": Message(
            "The factors train as their gradients say.",
            "The output is right, what training makes of it is not: something changes the "
            "gradients on their way.",
            "Look for hooks, or for a second use of a factor.",
        ),
        "rank_refused": Message(
            "Every rank from 1 to min(in, out) is accepted, both ends included.",
            "A ValueError came for a rank that fits. Perhaps a comparison leaves out the end, or "
            "other sides than those of the layer are compared.",
            "Which ranks does your condition accept for a layer from 4 to 6 features?",
        ),
        "rank": Message(
            "A rank below 1 or above min(in, out) is refused with a ValueError and a sentence.",
            "Rank 0 would learn nothing in silence. Above min(in, out) the factors have more "
            "numbers than they can use.",
            "Compare `rank` with `linear.in_features` and `linear.out_features` first.",
        ),
    },
    "merge": {
        "still_lora": Message(
            "The result is exactly an `nn.Linear`.",
            "The LoRALinear itself came back. `eval()` changes the mode of a module and merges "
            "nothing; and the module given is one of the *course's* class, so "
            "`isinstance(module, LoRALinear)` with a class of your own is False.",
            "Ask whether the module is an `nn.Linear` already. If not, what must be built?",
        ),
        "not_linear": Message(
            "The result is exactly an `nn.Linear`.",
            "Another kind of object came back: a tensor, a container, nothing, or a subclass.",
            "Print `type(...)` of what you return.",
        ),
        "plain": Message(
            "A plain `nn.Linear` comes back as it is, also one that `merge` has made.",
            "It was treated as if it had an update. Whoever merges all layers of a model meets "
            "plain ones too.",
            "What should the first line of your function ask?",
        ),
        "again": Message(
            "Merging what has been merged changes nothing.",
            "The second call gave another weight: the update was added once more.",
            "What tells your function that the work is done?",
        ),
        "dtype": Message(
            "The merged weight has the dtype of the old one.",
            "A new `nn.Linear` is float32 unless told otherwise; this layer was not.",
            "Take the dtype from the weight, or build on the layer that is there.",
        ),
        "dropped": Message(
            "The merged weight holds the update.",
            "It is the old weight: what was learned is gone.",
            "W + ... what?",
        ),
        "merged_twice": Message(
            "The update is added to the weight once.",
            "It is in there twice. Perhaps it was added in place to `module.linear.weight`, and "
            "then again for the new layer.",
            "Count the lines that add the update.",
        ),
        "unscaled": Message(
            "What is added is scale · B A.",
            "B A was added without its scale.",
            "Which of the module's attributes is waiting to be used?",
        ),
        "alpha": Message(
            "What is added is scale · B A, and `.scale` is alpha / rank.",
            "The sum looks like alpha · B A: the scale was multiplied by the rank again.",
            "`.scale` has the division in it already.",
        ),
        "scale": Message(
            "What is added is scale · B A.",
            "The scale was applied twice, or divided by the rank once more.",
            "`.scale` is alpha / rank. What is left to do?",
        ),
        "subtracted": Message(
            "Merging adds the update.",
            "It was subtracted: that is how one would take it out again.",
            "Look for the minus.",
        ),
        "update_only": Message(
            "The merged weight is the old one plus the update.",
            "It is the update alone.",
            "What does the module compute for an update of zero?",
        ),
        "everything_scaled": Message(
            "The scale belongs to the update alone.",
            "It multiplies the old weight as well.",
            "Where do your brackets close?",
        ),
        "transposed": Message(
            "The update has the orientation of the weight: (out, in).",
            "Something is transposed. With a square layer it runs without an error and gives "
            "another function, as here.",
            "A is (rank, in), B is (out, rank). Which product is (out, in)?",
        ),
        "value": Message(
            "The merged weight is W + scale · B A.",
            "Perhaps a mean was taken where a sum is meant, or the scale acts on both parts, or on "
            "neither.",
            "Take in = 2, out = 3, rank = 1, and work it out by hand.",
        ),
        "bias_lost": Message(
            "The bias is kept.",
            "The result has none.",
            "Which argument of `nn.Linear` decides that, and what must be copied then?",
        ),
        "bias_made": Message(
            "A layer without a bias stays without one.",
            "The result has a bias: a new `nn.Linear` makes a random one unless told otherwise.",
            "Which argument of `nn.Linear` decides that?",
        ),
        "bias": Message(
            "The bias is the old one.",
            "It is another: random as in a new layer, or scaled.",
            "Compare `result.bias` with `module.linear.bias`.",
        ),
        "output": Message(
            "The merged layer computes what the module computed.",
            "Its weight and bias are right, its output is not: perhaps a hook or another `forward` "
            "is attached to it, or weight and bias differ in dtype.",
            "Build the result from its weight and bias alone.",
        ),
    },
    "apply_lora": {
        "pair": Message(
            "The function returns two things: the model, and how many numbers train.",
            "Something else came back.",
            "Look at your `return`.",
        ),
        "copy": Message(
            "The given model is changed and returned.",
            "Another object came back: a copy, or a wrapper. Whoever holds the given model, such "
            "as an optimiser or an evaluation, still has the old one.",
            "Which line makes a new model?",
        ),
        "not_replaced": Message(
            "At each name there is a new layer.",
            "A named layer is still the old one. A loop variable that gets a new value does not "
            "change the model; the attribute of its *parent* must be set.",
            "For the name `a.b.c`: who holds `c`, and how do you get hold of it?",
        ),
        "too_many": Message(
            "Only the layers with exactly these names are replaced.",
            "More were: all linear layers, or all whose name contains or ends like one of those.",
            "Compare whole dotted names.",
        ),
        "rest_trains": Message(
            "Everything is frozen but the factors and the head.",
            "Old weights train too. Then there is no small file to store and no way back to the "
            "source: putting LoRA in is a swap, freezing the rest is a second step.",
            "Print the names in `model.named_parameters()` that ask for a gradient.",
        ),
        "head_frozen": Message(
            "The head trains.",
            "It was frozen with the rest. It is new, and nobody has taught it anything.",
            "In which order do you freeze and open?",
        ),
        "tied_frozen": Message(
            "A weight that a layer of the backbone shares with the head trains, as the head does.",
            "It was frozen under its other name. `named_parameters()` lists a shared tensor once, "
            "under the name it meets first, so a test of names overlooks it.",
            "Open the head last, by `model.head.parameters()`.",
        ),
        "factors_frozen": Message(
            "The factors train.",
            "They were frozen with the rest: it happened after they were put in.",
            "In which order do you freeze and put in?",
        ),
        "factors": Message(
            "At each name two factors train, of rank · in and rank · out numbers.",
            "What trains there has other sizes.",
            "Print the shapes of the parameters of one of the new layers.",
        ),
        "count_without_head": Message(
            "The count holds everything that trains, the head too.",
            "These are the factors alone. Each task needs its head as well, and has to store it.",
            "Ask each parameter of the whole model whether it trains.",
        ),
        "count_everything": Message(
            "Only numbers that train are counted.",
            "This is the number of all of them, frozen ones included.",
            "What do you ask a parameter before you count it?",
        ),
        "count_without_tied": Message(
            "A tensor that the head shares with another layer is counted: it trains.",
            "It was left out. Perhaps the count goes by names, and the shared tensor is listed "
            "under that of the other layer.",
            "Count what asks for a gradient, whatever its name.",
        ),
        "count_twice": Message(
            "Each tensor is counted once, however many layers share it.",
            "The shared one was counted twice. `model.parameters()` lists it once; a loop over "
            "modules or a `state_dict` meets it again.",
            "What do you loop over?",
        ),
        "count_tensors": Message(
            "The count is of numbers, not of tensors.",
            "This is how many parameters there are: a matrix is one of them.",
            "Which method of a tensor says how many numbers it holds?",
        ),
        "count": Message(
            "The count is rank · (in + out) for each named layer, plus the head.",
            "Perhaps it was counted before everything was put in place, or tensors were counted "
            "and not their numbers.",
            "Count once everything is put in, frozen and opened.",
        ),
        "unusable": Message(
            "The model can be used like any other: `train()`, `eval()`, forward, backward.",
            "Something that was put in place of PyTorch's own does not take the same arguments, or "
            "cannot be trained through.",
            "Train the model for one step, as a training loop would.",
        ),
        "start": Message(
            "Before any training the model computes what it did.",
            "The output has changed already: an update that is not zero, or a bias that was lost.",
            "Does your layer pass the check of `LoRALinear`?",
        ),
        "old_gradient": Message(
            "Nothing but the factors and the head moves in training.",
            "A weight that asks for no gradient moved, because an old one still lay in its "
            "`.grad`: an optimiser applies weight decay and momentum wherever it sees one.",
            "Module 01 has a function that leaves no gradient behind.",
        ),
        "batchnorm": Message(
            "Batch-norm is held: it computes with its pretrained statistics, also after `train()`, "
            "and its buffers keep still.",
            "After `model.train()` the output depends on the other images of the batch, or the "
            "statistics moved: `requires_grad` does not reach them.",
            "Module 01 has a function for this, and the library has it too.",
        ),
        "alpha": Message(
            "The update is multiplied by alpha / rank.",
            "It looks like alpha alone.",
            "Which of the two does your layer get as its `alpha`?",
        ),
        "value": Message(
            "Each named layer computes W x + b + (alpha / rank) · B A x.",
            "With other factors the model's output is not what these would give. Perhaps the scale "
            "alpha / rank is missing, or a factor.",
            "Does your layer pass the check of `LoRALinear`? Is each built from its own layer?",
        ),
        "training": Message(
            "Factors and head learn from their gradients.",
            "The output before training is right, afterwards it is not: a gradient is cut off or "
            "changed on its way.",
            "After one `backward()`, print which parameters have a `.grad`.",
        ),
        "unknown": Message(
            "A name that the model does not have is refused with a ValueError and a sentence.",
            "It was passed over in silence, or another exception came from somewhere deep inside.",
            "What do `dict(model.named_modules())` and `in` tell you?",
        ),
        "not_linear": Message(
            "A name whose layer is not an `nn.Linear` is refused with a ValueError and a sentence.",
            "It was wrapped or passed over, or another exception came from deep inside.",
            "Ask each named layer for its type.",
        ),
        "rank": Message(
            "A rank above a named layer's smaller side is refused with a ValueError.",
            "It was accepted for a layer that is too small for it.",
            "Compare the rank with both sides of *each* named layer.",
        ),
        "rank_refused": Message(
            "Every rank from 1 to min(in, out) is accepted, both ends included.",
            "A ValueError came for a rank that fits. Perhaps a comparison leaves out the end, or "
            "other sides than those of the layer are compared.",
            "Which ranks does your condition accept for a layer from 4 to 5 features?",
        ),
        "half_done": Message(
            "A refusal leaves the model as it was.",
            "It was changed before the ValueError came: whoever corrects the name and tries again "
            "does so on a model that is half done.",
            "First look at all the names, then change the first layer.",
        ),
    },
}

HINTS = {
    "LoRALinear": (
        "B A must be zero at the start, and still be able to learn. What is the gradient of the "
        "product with respect to A if B is zero, and what with respect to B?",
        "Keep the given linear, frozen, and two `nn.Parameter`s: A of shape (rank, in), random; B "
        "of shape (out, rank), zero; both with the weight's `dtype` and `device`. Refuse a rank "
        "that does not fit first. In `forward`, x meets A before B: the rows of x are on the left.",
        "class LoRALinear(nn.Module):\n"
        "    def __init__(self, linear, rank, alpha):\n"
        "        super().__init__()\n"
        "        if not 1 <= rank <= ...:\n"
        "            raise ValueError(...)\n"
        "        self.linear = linear          # and frozen: ...\n"
        "        like = {'dtype': linear.weight.dtype, 'device': ...}\n"
        "        self.A = nn.Parameter(torch.randn(rank, ..., **like) / ...)\n"
        "        self.B = nn.Parameter(...)\n"
        "        self.scale = ...\n"
        "    def forward(self, x):\n"
        "        return self.linear(x) + ...   # x @ A.T has the shape (..., rank)",
    ),
    "merge": (
        "W x + scale · B A x is a linear function of x. What is its weight?",
        "If the module is an `nn.Linear`, there is nothing to do. Otherwise add scale · B A to the "
        "weight of `module.linear`, without a gradient, and return that layer, or a new one with "
        "the same bias. B @ A has the shape (out, in).",
        "if isinstance(module, ...):\n"
        "    return module\n"
        "with torch.no_grad():\n"
        "    module.linear.weight += ...     # scale, B, A: in which order?\n"
        "return ...",
    ),
    "apply_lora": (
        "Four things happen: look, freeze, put in, open. What goes wrong in any other order?",
        "Look at *all* names first: `dict(model.named_modules())` knows them. Then freeze the "
        "model, as in module 01, batch-norm included. Put a LoRALinear at each name: for `a.b.c` "
        "set `c` of `a.b`. Then let the head train. `model.parameters()` lists a shared tensor "
        "once.",
        "modules = dict(model.named_modules())\n"
        "for name in names:\n"
        "    if not isinstance(modules.get(name), ...) or rank > ...:\n"
        "        raise ValueError(...)\n"
        "freeze(model)                          # from the library\n"
        "for name in names:\n"
        "    parent, _, last = name.rpartition('.')\n"
        "    setattr(model.get_submodule(parent), last, ...)\n"
        "...                                    # the head\n"
        "return model, sum(... for p in model.parameters() if ...)",
    ),
}
