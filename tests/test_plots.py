import base64
import io
import re
from html.parser import HTMLParser

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from nbclient import NotebookClient
from PIL import Image

from course_lib import plots


def drawn(figure) -> np.ndarray:
    """Render a figure, as `show` does, into pixels."""
    figure = getattr(figure, "figure", figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=50)
    return np.asarray(Image.open(stream).convert("RGB"))


def pictures(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for ax in figure.axes for image in ax.images]


@pytest.mark.parametrize("shape", [(11, 1, 5, 6), (11, 5, 6), (3, 3, 4, 4), (1, 1, 4, 4)])
def test_the_grid_holds_each_image_in_order_with_its_title(shape):
    images = torch.rand(shape)
    titles = [f"title {i}" for i in range(shape[0])]
    figure = plots.image_grid(images, titles)
    expected = images if len(shape) == 3 else images.permute(0, 2, 3, 1).squeeze(-1)
    assert all(np.array_equal(a, b) for a, b in zip(pictures(figure), expected, strict=True))
    assert [ax.get_title() for ax in figure.axes][: len(titles)] == titles
    assert drawn(figure).std() > 0


@pytest.mark.parametrize("shape", [(4, 2, 5, 5), (5, 5), (0, 1, 5, 5)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match="C = 1 or 3"):
        plots.image_grid(torch.rand(shape))


def test_an_episode_shows_the_answers_and_marks_them():
    support, query = torch.rand(20, 1, 6, 6), torch.rand(5, 1, 6, 6)
    predictions, labels = torch.tensor([3, 19, 0, 7, 7]), torch.tensor([3, 1, 0, 7, 2])
    figure = plots.episode(support, query, predictions, labels)
    rows = [*support, *query, *support[predictions]]
    assert all(np.array_equal(a, b[0]) for a, b in zip(pictures(figure), rows, strict=True))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:20] == [str(i) for i in range(20)]
    assert titles[20:25] == ["✓", "✗", "✓", "✓", "✗"]
    assert not any("✓" in ax.get_title() for ax in plots.episode(support, query, labels).axes)


def test_filters_and_maps_share_one_scale_that_a_bar_explains():
    weights, maps = torch.randn(9, 1, 3, 3), torch.rand(5, 4, 4) * 7
    for figure, values, label in (
        (plots.filters(weights), weights[:, 0], "weight"),
        (plots.feature_maps(maps), maps, "activation"),
    ):
        images = [image for ax in figure.axes for image in ax.images]
        assert all(np.array_equal(i.get_array(), v) for i, v in zip(images, values, strict=True))
        assert len({image.get_clim() for image in images}) == 1
        assert label in {ax.get_ylabel() for ax in figure.axes}
    low, high = plots.filters(weights).axes[0].images[0].get_clim()
    assert -low == high == pytest.approx(weights.abs().max().item())  # white is 0
    assert all(
        0 <= p.min() < p.max() <= 1 for p in pictures(plots.filters(torch.randn(3, 3, 5, 5)))
    )
    with pytest.raises(ValueError, match="first layer"):
        plots.filters(torch.randn(9, 16, 3, 3))
    with pytest.raises(ValueError, match="one image"):
        plots.feature_maps(torch.randn(1, 9, 3, 3))


def test_curves_show_the_numbers_they_were_given():
    history = [
        {"step": s, "loss": 1 / s, "train_accuracy": 0.5, "val_accuracy": float("nan")}
        for s in (1, 5, 9)
    ]
    loss, accuracy = plots.training_curves(history).axes
    assert loss.lines[0].get_xydata().tolist() == [[s, 1 / s] for s in (1, 5, 9)]
    assert [text.get_text() for text in accuracy.get_legend().texts] == ["training"]

    methods = {
        name: np.sort(np.random.default_rng(0).random((3, 3)))[:, [1, 0, 2]] for name in "ab"
    }
    ax = plots.learning_curves([1, 5, 20], methods)
    for line, band, values in zip(ax.lines, ax.collections, methods.values(), strict=True):
        assert np.allclose(line.get_ydata(), values[:, 0])
        corners = band.get_paths()[0].vertices[:, 1]
        assert corners.min() == pytest.approx(values[:, 1].min())
        assert corners.max() == pytest.approx(values[:, 2].max())
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "5", "20"]


def ends(ax) -> list[tuple[float, float]]:
    """The ends of each horizontal interval."""
    bars = [container.lines[2][0].get_segments()[0] for container in ax.containers]
    return [(bar[0][0], bar[1][0]) for bar in bars]


def test_intervals_are_drawn_where_they_are():
    results = {"one": (0.1, 0.05, 0.2), "two": (-0.3, -0.4, 0.1)}
    ax = plots.intervals(results, "gain (accuracy)", reference=0)
    assert np.allclose(ends(ax), [(0.05, 0.2), (-0.4, 0.1)])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["one", "two"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top
    assert "gain (accuracy)" in ax.get_xlabel()


def test_pairs_are_joined_seed_by_seed():
    a, b = np.random.default_rng(0).random((2, 6))
    ax = plots.paired_dots(a, torch.tensor(b), ("pixels", "frozen"))
    assert [line.get_ydata().tolist() for line in ax.lines] == np.stack([a, b], 1).tolist()
    with pytest.raises(ValueError, match="one number per seed"):
        plots.paired_dots(a, b[:5])


def test_the_confusion_matrix_shows_counts_and_shares_of_the_row():
    matrix = np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]])
    ax = plots.confusion_matrix(matrix, ("ka", "ki", "ku"))
    counts = {text.get_position(): text.get_text() for text in ax.texts}
    assert counts == {(0, 0): "8", (1, 0): "2", (1, 1): "5"}  # (column, row)
    assert np.allclose(ax.images[0].get_array(), [[0.8, 0.2, 0], [0, 1, 0], [0, 0, 0]])
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("true class", "predicted class")
    with pytest.raises(ValueError, match="square"):
        plots.confusion_matrix(matrix[:2], ("ka", "ki", "ku"))


def test_the_ledger_keeps_units_apart():
    def row(key, unit, predicted, measured, low=None, high=None):
        return {"key": key, "unit": unit, "predicted": predicted, "measured": measured,
                "low": low, "high": high}  # fmt: skip

    rows = [row("a", "accuracy", 0.5, 0.8, 0.7, 0.9), row("b", "s", 10, 3), row("c", "s", None, 4),
            row("d", "s", 4, None), row("e", "accuracy", 0.9, 0.6)]  # fmt: skip
    first, second = plots.ledger(rows).axes
    names = [[text.get_text() for text in ax.get_yticklabels()] for ax in (first, second)]
    assert names == [["a", "e"], ["b"]]
    assert np.allclose(ends(first), [(0.7, 0.9), (0.6, 0.6)])
    assert (first.get_xlabel(), second.get_xlabel()) == ("accuracy", "s")
    with pytest.raises(ValueError, match="no prediction"):
        plots.ledger(rows[2:4])


def test_axes_can_be_ones_own_and_no_figure_is_left_open():
    import matplotlib.pyplot as plt

    own, other = Figure().subplots(1, 2)
    assert plots.intervals({"x": (1, 0, 2)}, "s", ax=own) is own
    assert plots.paired_dots([1, 2], [2, 3], ax=other) is other
    assert plt.get_fignums() == []


def test_the_colours_are_told_apart_without_red_and_green():
    """Brettel's deuteranope, roughly: red and green become their mean."""
    seen = []
    for colour in plots.COLOURS:
        red, green, blue = mpl.colors.to_rgb(colour)
        seen.append(np.array([0.43 * red + 0.57 * green, blue]))
    gaps = [np.abs(a - b).max() for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > 0.09


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found, self.words = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)


def test_a_notebook_gets_one_figure_with_alt_and_caption():
    alt, caption = 'A line that rises & falls, "quoted" <b>', "Up is <better>."
    cell = nbformat.v4.new_code_cell(
        "import matplotlib.pyplot as plt\n"
        "from course_lib import plots\n"
        "ax = plt.figure().subplots()\n"  # a figure of the learner's own, known to pyplot
        "ax.plot([1, 3, 2])\n"
        f"plots.show(ax, {caption!r}, {alt!r})"
    )
    NotebookClient(nbformat.v4.new_notebook(cells=[cell]), timeout=120).execute()
    (output,) = cell.outputs  # no second drawing, nothing on stderr
    tags = Tags(output.data["text/html"])
    assert [tag for tag, _ in tags.found] == ["figure", "img", "figcaption"]
    picture = tags.found[1][1]
    assert picture["alt"] == output.data["text/plain"] == alt
    assert "".join(tags.words) == caption
    png = base64.b64decode(re.sub("^data:image/png;base64,", "", picture["src"]))
    assert np.asarray(Image.open(io.BytesIO(png)).convert("L")).std() > 0


def test_outside_a_notebook_the_text_is_printed(capsys):
    plots.show(plots.image_grid(torch.rand(1, 1, 3, 3)), "A caption.", "Noise.")
    assert capsys.readouterr().out == "Noise.\n"


@pytest.mark.parametrize(("caption", "alt"), [("", "alt"), ("caption", " "), ("\n", "")])
def test_caption_and_alt_are_required(caption, alt):
    with pytest.raises(ValueError, match="caption and an alternative text"):
        plots.show(Figure(), caption, alt)
