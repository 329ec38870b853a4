"""One-shot and few-shot learning: episodes, and classifiers that need only a support set.

Every classifier here has one form, ``(support (..., S, D), support_labels (S,), query (..., Q, D))
-> logits (..., Q, W)``: one episode, or hundreds of them in the leading axes.
"""
