"""Figures of few-shot learning: what they show is what they were given."""

import matplotlib.colors
import numpy as np
import pytest
import torch

from course_lib import plots


def test_stars_are_the_means_of_the_support_in_the_plane():
    generator = torch.Generator().manual_seed(0)
    y, query_y = torch.tensor([0, 1, 1, 0, 2]), torch.tensor([2, 0, 1, 1])
    spaces = {  # in two dimensions the plane is the space, turned
        "first": (torch.randn(5, 2, generator=generator), torch.randn(4, 2, generator=generator)),
        "wide": (torch.randn(5, 9, generator=generator), torch.randn(4, 9, generator=generator)),
    }
    figure = plots.episode_spaces(spaces, y, query_y)
    assert [ax.get_title() for ax in figure.axes] == list(spaces)
    support, query = spaces["first"]
    drawn = [np.asarray(points.get_offsets()) for points in figure.axes[0].collections]
    stars = np.concatenate(drawn[1::2])
    means = torch.stack([support[y == k].mean(0) for k in range(3)])
    np.testing.assert_allclose(  # distances survive a turn
        np.linalg.norm(stars[:, None] - stars, axis=-1), torch.cdist(means, means), atol=1e-5
    )
    assert sum(map(len, drawn[::2])) == len(query)


def test_intervals_stand_below_the_episodes():
    accuracies = torch.tensor([0.5, 0.5, 0.75, 1.0])
    ax = plots.spread_of_episodes(accuracies, {"mean": (0.69, 0.5, 0.9), "all": (0.69, 0.2, 1.0)})
    heights = sorted(bar.get_height() for bar in ax.patches)
    assert heights == [1, 1, 2]
    assert {text.get_text() for text in ax.texts} == {"mean", "all"}
    for bar in ax.containers[1:]:
        assert bar.lines[0].get_ydata()[0] < 0


@pytest.mark.parametrize("shape", [(60, 90), (90, 60)])
def test_marks_and_cells_are_drawn_where_they_were_found(shape):
    cells = np.array([[(10, 10), (20, 10), (20, 20), (10, 20)]], float)
    figure = plots.sheet_found(np.zeros(shape), np.array([(5.0, 6.0)]), cells)
    (ax,) = figure.axes
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [(5, 6)])
    np.testing.assert_allclose(ax.patches[0].get_xy()[:4], cells[0])
    assert matplotlib.colors.to_hex(ax.patches[0].get_edgecolor()) == plots.ORANGE.lower()
