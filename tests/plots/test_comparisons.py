import numpy as np

from course_lib import plots


def test_every_run_is_a_line_and_the_panels_share_a_scale():
    rng = np.random.default_rng()
    ways = {"fair": rng.random((3, 4)), "unfair": rng.random((5, 4))}
    figure = plots.single_runs([1, 2, 5, 20], ways)
    assert [ax.get_title() for ax in figure.axes] == list(ways)
    for ax, runs in zip(figure.axes, ways.values(), strict=True):
        assert np.allclose([line.get_ydata() for line in ax.lines], runs)
    assert len({ax.get_ylim() for ax in figure.axes}) == 1


def test_clouds_and_their_means():
    rng = np.random.default_rng()
    points = {name: (rng.random(6), rng.random(6)) for name in ("glyphs", "photographs", "random")}
    ax = plots.against(points, "guess", "outcome")
    clouds, means = ax.collections[::2], ax.collections[1::2]
    for cloud, mean, (x, y) in zip(clouds, means, points.values(), strict=True):
        assert np.allclose(cloud.get_offsets(), np.stack([x, y], 1))
        assert np.allclose(mean.get_offsets(), [[x.mean(), y.mean()]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(points)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("guess", "outcome")
