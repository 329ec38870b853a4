import torch


class _Shared(torch.autograd.Function):
    lam = 1.0

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -_Shared.lam * grad


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.lam * grad, None


class _InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad.contiguous().mul_(-ctx.lam), None


def wrong_hook_on_the_input_too(x, lam):
    """Hangs the reversal on x itself, so that every use of x is reversed; contradicts "Only what
    goes through this call is reversed" ("other uses of x keep their own gradient").

    Named `hook_on_input`.
    """
    if x.requires_grad:
        x.register_hook(lambda grad: -lam * grad)
    return x.view_as(x)


def wrong_lam_on_the_class(x, lam):
    """Keeps lam on the class, where the next call overwrites it before backward; contradicts "Two
    calls with different λ must not disturb each other".

    Named `shared`.
    """
    _Shared.lam = lam
    return _Shared.apply(x)


def wrong_zero_means_off(x, lam):
    """Thinks that λ = 0 switches the reversal off and lets the gradient pass; contradicts "0 sends
    back zero".

    Named `zero`.
    """
    return _Reverse.apply(x, lam) if lam else x.view_as(x)


def wrong_zero_means_detached(x, lam):
    """Thinks that sending zero is the same as cutting the graph; contradicts "0 sends back zero":
    backward fails, or x.grad is None.

    Named `cut`.
    """
    return _Reverse.apply(x, lam) if lam > 0 else x.detach()


def wrong_lam_at_most_one(x, lam):
    """Thinks that λ, which grows from 0 to 1 in the schedule, can be at most 1, and cuts it off;
    contradicts "lam is a float, at least 0".

    Named `lam_ignored`.
    """
    return _Reverse.apply(x, min(max(lam, 0.0), 1.0))


def wrong_turns_the_arriving_gradient(x, lam):
    """Multiplies the gradient that arrives in place, though another branch may hold the same
    tensor, as behind a sum; contradicts "Only what goes through this call is reversed".

    Named `in_place`.
    """
    return _InPlace.apply(x, lam)


def right_zero_that_has_a_slope(x, lam):
    """x without a graph, plus a zero whose derivative by x is -lam."""
    still = x.detach()
    return still + (x - still) * (-lam)


def right_hook_on_a_clone(x, lam, *, factor=-1.0):
    """A hook, but on a clone that belongs to this call alone."""
    out = x.clone()
    if out.requires_grad:
        strength = factor * float(lam)
        out.register_hook(lambda grad, strength=strength: grad * strength)
    return out
