"""Unsupervised domain adaptation: labels in the source, images alone in the target."""
