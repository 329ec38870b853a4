import torch
import torch.nn.functional as F


def _refuse_floats(images):
    if images.is_floating_point():
        raise ValueError("These images are floats and may have been scaled already; give uint8.")


def wrong_scales_only_if_large(images, mean, std):
    """Guesses from the values whether the bytes were scaled, so a nearly black batch is not;
    contradicts "uint8 images scaled to [0, 1]".

    Named `guessed`.
    """
    _refuse_floats(images)
    x = images.float()
    if x.numel() and x.max() > 1:
        x = x / 255
    return (x - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)


def wrong_refuses_float32_only(images, mean, std):
    """Thinks of float32 as the only float; contradicts "images of a float dtype are a ValueError".

    Named `float_input`.
    """
    if images.dtype == torch.float32:
        raise ValueError("These images are floats and may have been scaled already; give uint8.")
    return (images.float() / 255 - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)


def wrong_clamps(images, mean, std):
    """Thinks that the contract's [0, 1] holds after normalising as well; contradicts "scaled to
    [0, 1], then normalised per channel".

    Named `clipped`.
    """
    _refuse_floats(images)
    x = (images.float() / 255 - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    return x.clamp(0, 1)


def wrong_brightest_is_one(images, mean, std):
    """Divides by the brightest byte of the batch instead of by 255; contradicts "whole numbers
    from 0 to 255 ... scaled to [0, 1]".

    Named `brightest`.
    """
    _refuse_floats(images)
    x = images.float() / images.max().clamp(min=1)
    return (x - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)


def wrong_rescales_the_statistics(images, mean, std):
    """Brings mean and std to bytes in place, in the caller's own tensors; contradicts "what comes
    in is not changed".

    Named `inputs`.
    """
    _refuse_floats(images)
    mean *= 255
    std *= 255
    return (images.float() - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)


def wrong_double(images, mean, std):
    """Thinks that more digits are always welcome and leaves the result in float64; contradicts
    "return float32 (N, C, H, W)".

    Named `dtype`.
    """
    _refuse_floats(images)
    x = images.double() / 255
    return (x - mean.double().view(-1, 1, 1)) / std.double().view(-1, 1, 1)


def right_lookup_table(images, mean, std):
    """A byte has 256 values: compute them once per channel, then only look up."""
    _refuse_floats(images)
    bytes_ = torch.arange(256, dtype=torch.float64, device=images.device) / 255
    channels = []
    for c in range(images.shape[1]):
        table = ((bytes_ - float(mean[c])) / float(std[c])).to(torch.float32)
        channels.append(table[images[:, c].long()])
    return torch.stack(channels, dim=1)


def right_as_convolution(images, mean, std):
    """A grouped 1 by 1 convolution with a bias, in float64 inside."""
    _refuse_floats(images)
    mean, std = (s.to(images.device, torch.float64) for s in (mean, std))
    weight = (1 / (255 * std)).view(-1, 1, 1, 1)
    return F.conv2d(images.double(), weight, -mean / std, groups=len(mean)).float()
