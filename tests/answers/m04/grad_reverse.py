"""Answers to `grad_reverse`."""

import torch

from course_lib.alignment.adversarial import grad_reverse as _of_the_library


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, upstream):
        return upstream.neg() * ctx.lam, None


def wrong_identity(x, lam):
    """Named `identity`."""
    return x


def wrong_clone(x, lam):
    """Named `identity`."""
    return x.clone()


def wrong_lambda_in_the_forward_pass(x, lam):
    """Named `forward`."""
    return -lam * x


def wrong_minus_in_the_forward_pass(x, lam):
    """Named `forward`."""
    return -x


class _Scaling(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return lam * x

    @staticmethod
    def backward(ctx, upstream):
        return -upstream, None


def wrong_lambda_forward_minus_backward(x, lam):
    """Named `forward`."""
    return _Scaling.apply(x, lam)


def wrong_noise_in_the_forward_pass(x, lam):
    """Named `forward_value`."""
    return _Reverse.apply(x, lam) + torch.linspace(0.5, 2, x.numel()).view(x.shape).to(x)


def wrong_detached(x, lam):
    """Named `no_gradient`."""
    return x.detach()


class _NoMinus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.clone()

    @staticmethod
    def backward(ctx, upstream):
        return ctx.lam * upstream, None


def wrong_no_minus(x, lam):
    """Named `sign`."""
    return _NoMinus.apply(x, lam)


def wrong_detach_trick_turned_around(x, lam):
    """Named `sign`."""
    return lam * x + ((1 - lam) * x).detach()


def wrong_lambda_ignored(x, lam):
    """Named `lam_ignored`."""
    return -x + (2 * x).detach()


def wrong_divides(x, lam):
    """Named `divided`."""
    return _Reverse.apply(x, 1 / lam if lam else 0.0)


def wrong_squares(x, lam):
    """Named `squared`."""
    return _Reverse.apply(x, lam * lam)


def wrong_detach_trick_half_done(x, lam):
    """Named `double`."""
    return -lam * x + x + (lam * x).detach()


class _Constant(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.clone()

    @staticmethod
    def backward(ctx, upstream):
        return torch.full_like(upstream, -ctx.lam), None


def wrong_upstream_forgotten(x, lam):
    """Named `no_upstream`."""
    return _Constant.apply(x, lam)


def wrong_zero_taken_for_missing(x, lam):
    """Named `zero`."""
    return _Reverse.apply(x, lam or 1.0)


def wrong_hook_on_the_input(x, lam):
    """Named `hook_on_input`."""
    x.register_hook(lambda gradient: -lam * gradient)
    return x.view_as(x)


class _Global(torch.autograd.Function):
    lam = 0.0

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, upstream):
        return -_Global.lam * upstream


def wrong_lambda_of_the_class(x, lam):
    """Named `shared`."""
    _Global.lam = lam
    return _Global.apply(x)


def wrong_a_bit_too_strong(x, lam):
    """Named `gradient`."""
    return _Reverse.apply(x, lam + 0.2 if lam else 0.0)


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, upstream):
        return (-ctx.lam * upstream).clamp(-0.01, 0.01), None


def wrong_clipped(x, lam):
    """Named `gradient`."""
    return _Clipped.apply(x, lam)


def wrong_always_float32(x, lam):
    """Named `dtype`."""
    return _Reverse.apply(x, lam).float()


def wrong_lambda_added(x, lam):
    """Named `gradient`."""
    y = x.clone()
    y.register_hook(lambda gradient: gradient - lam)
    return y


def wrong_rows_only(x, lam):
    """Named `raised`."""
    n, d = x.shape
    return _Reverse.apply(x.view(n, d), lam)


def wrong_flat(x, lam):
    """Named `shape`."""
    return _Reverse.apply(x, lam).flatten()[:, None]


def wrong_numpy(x, lam):
    """Named `no_gradient`."""
    return torch.from_numpy(x.detach().numpy().copy())


def wrong_nothing(x, lam):
    """Named `type`."""
    _Reverse.apply(x, lam)


class _OneGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.view_as(x)

    @staticmethod
    def backward(ctx, upstream):
        return -ctx.lam * upstream


def wrong_too_few_gradients(x, lam):
    """Named `raised`."""
    return _OneGradient.apply(x, lam)


def wrong_in_place(x, lam):
    """Named `inputs`."""
    with torch.no_grad():
        x.mul_(1.5)
    return _Reverse.apply(x, lam)


def wrong_calls_the_library(x, lam):
    """Named `library`."""
    return _of_the_library(x, lam)


def right_function(x, lam):
    return _Reverse.apply(x, lam)


def right_detach_trick(x, lam):
    return -lam * x + ((1 + lam) * x).detach()


def right_detach_trick_other_form(x, lam):
    reversed_ = x * -lam
    return reversed_ + (x - reversed_).detach()


def right_hook_on_a_copy(x, lam):
    y = x.clone()
    y.register_hook(lambda gradient: gradient * -lam)
    return y


class _Saved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.save_for_backward(torch.tensor(lam, dtype=x.dtype))
        return x.clone()

    @staticmethod
    def backward(ctx, upstream):
        (lam,) = ctx.saved_tensors
        return -(upstream * lam), None


def right_saved_tensor(x, lam):
    return _Saved.apply(x, lam)


class _Module(torch.nn.Module):
    def forward(self, x, lam):
        return _Reverse.apply(x, float(lam))


right_module = _Module()


def right_class_for_each_call(x, lam):
    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view_as(x)

        @staticmethod
        def backward(ctx, upstream):
            return -lam * upstream

    return Reverse.apply(x)


class _TwoSteps(torch.autograd.Function):
    """The newer form, which `torch.func` asks for."""

    @staticmethod
    def forward(x, lam):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.lam = inputs

    @staticmethod
    def backward(ctx, upstream):
        return upstream * -ctx.lam, None


def right_setup_context(x, lam, inplace=False):
    return _TwoSteps.apply(x, lam)
