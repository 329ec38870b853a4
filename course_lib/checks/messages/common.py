"""Sentences that any exercise may need; an exercise's own messages stand in its module's file."""

from course_lib.checks.verdict import Message

MESSAGES = {
    "inputs": Message(
        "The function leaves its inputs as they were.",
        "An in-place operation (a name ending in `_`, `x -= ...`, `x[...] = ...`) also changes the "
        "caller's data, because a tensor is passed by reference.",
        "Find the line that writes into an argument; work on a new tensor instead.",
    ),
    "random state": Message(
        "The global random state is the same after the call as before it.",
        "`torch.manual_seed`, `np.random.seed`, `torch.randperm(n)` and the like use one global "
        "generator, so calling this function would silently change every later random number.",
        "Make a generator of your own from the seed, and draw from that one.",
    ),
    "gradient mode": Message(
        "Gradients are on after the call if they were on before it, and off if they were off.",
        "`torch.set_grad_enabled(...)` stays in force until somebody undoes it; a `with` block "
        "puts back what was there before.",
        "Put the forward passes into a `with` block.",
    ),
    "library": Message(
        "The answer is your own code.",
        "It calls the library's own version of this very exercise. In your projects that is the "
        "thing to do; here you would miss the idea.",
        "Write the function yourself. The rest of the library, torch and scikit-learn are welcome.",
    ),
    "not plain": Message(
        "The function returns what the exercise asks for: numbers, tensors, arrays, lists.",
        "Perhaps another object was returned than the one computed, such as the model itself.",
        "Print what your function returns, and its type.",
    ),
    "type": Message(
        "The function returns a value of the kind the exercise names.",
        "Perhaps the `return` is missing, or returns an intermediate value.",
        "Print what your function returns, its type and its shape, next to the signature.",
    ),
    "shape": Message(
        "The result has the shape the signature gives.",
        "Perhaps an axis was summed away, kept, or swapped with another.",
        "Print the shape after each line of your function.",
    ),
    "not finite": Message(
        "Every number in the result is finite.",
        "A NaN or an infinity usually comes from a division by zero, the logarithm of zero, or the "
        "variance of a single value.",
        "Find the first line after which `torch.isfinite(x).all()` is False.",
    ),
    "no answer": Message(
        "The notebook runs from its first to its last cell and answers the check's questions.",
        "Perhaps a cell loops for ever, uses up the memory, or ends the Python process.",
        "Restart the kernel, run all cells, and look at the first cell that does not come back.",
    ),
}

RAISED = Message(
    "The code runs through for every input that the exercise allows.",
    "The line does something that is not possible with the values it has there.",
    "Read the last of your lines first; print the values it uses.",
)

# What usually lies behind an exception that a learner did not mean to raise, by its type.
CAUSES = {
    "AssertionError": "An assertion of yours does not hold for an input that the exercise allows.",
    "AttributeError": "The object is of another kind than that line believes, or is None: a "
    "function without a `return` gives None.",
    "IndexError": "An index is beyond the end, or there are fewer dimensions than that line "
    "believes. Labels need not be 0 to 9, batches need not be full.",
    "KeyError": "A dictionary has no such key; its keys are names, and names differ from model to "
    "model.",
    "NameError": "A name is misspelt, or is made in a cell that was not run, or elsewhere.",
    "RuntimeError": "Two tensors do not fit: another shape, dtype or device than that line "
    "believes, or a gradient asked of what has no graph.",
    "TypeError": "A function was called with other arguments than it takes, or a value is of "
    "another kind (list, array, tensor, number) than that line believes.",
    "UnboundLocalError": "A variable is set in a branch that was not taken here, or in a loop that "
    "did not run.",
    "ValueError": "An input that the exercise allows was refused, or a function was given a value "
    "it cannot take.",
    "ZeroDivisionError": "Something was divided by 0, for an input that the exercise allows.",
}
