"""Two domains in one picture, and one's own seed over the shipped ones."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from course_lib import plots


def test_both_domains_lie_where_their_common_pca_puts_them():
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(30, 6, generator=generator), torch.randn(20, 6) + 2
    labels = torch.arange(30) % 10, torch.arange(20) % 10
    spaces = {"before": (source, target), "after": (source, target - 2)}
    figure = plots.domain_spaces(spaces, *labels)
    assert [ax.get_title() for ax in figure.axes] == [
        "before, PCA", "after, PCA", "before, t-SNE", "after, t-SNE",
    ]  # fmt: skip
    truth = PCA(6).fit_transform(torch.cat([source, target]).numpy())[:, :2]
    drawn = np.array([text.get_position() for text in figure.axes[0].texts])
    # Only the sign of a principal direction is free.
    for k in range(2):
        assert np.allclose(np.abs(drawn[:, k]), np.abs(truth[:, k]), atol=1e-3)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [str(int(k)) for k in torch.cat(labels)]
    colours = [text.get_color() for text in figure.axes[0].texts]
    assert colours == [plots.BLUE] * 30 + [plots.ORANGE] * 20
    alone = plots.domain_spaces({"one": (source, target)}, *labels)
    assert [ax.get_title() for ax in alone.axes] == ["one, PCA", "one, t-SNE"]
    for ax in alone.axes:  # nothing is cut off
        places = np.array([text.get_position() for text in ax.texts])
        assert (places >= [ax.get_xlim()[0], ax.get_ylim()[0]]).all()
        assert (places <= [ax.get_xlim()[1], ax.get_ylim()[1]]).all()


def test_every_seed_and_ones_own_are_drawn_where_they_are():
    rows = {"source only": [[0.5, 0.6], [0.7, 0.8]], "MMD": [[0.55, 0.65], [0.75, 0.85]]}
    mine = {"MMD": [0.62, None]}
    ax = plots.seeds_and_mine(rows, ("as trained", "AdaBN"), mine, references={"labels": 0.95})
    dots = [sorted(points.get_offsets()[:, 0].tolist()) for points in ax.collections]
    assert dots == [values for row in rows.values() for values in row]
    crosses = [line.get_xdata() for line in ax.lines if line.get_marker() == "x"]
    assert [float(x[0]) for x in crosses if len(x)] == [pytest.approx(0.62)]
    assert [text.get_text() for text in ax.get_yticklabels()] == list(rows)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top
    assert any(line.get_xdata()[0] == 0.95 for line in ax.lines if line.get_linestyle() == "--")
    names = [text.get_text() for text in ax.get_legend().texts]
    assert names == ["as trained", "AdaBN", "your seed"]
