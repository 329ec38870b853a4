import pytest

from course_lib import plots


def test_each_method_stands_at_its_cost_and_its_mean_and_a_run_at_its_methods_cost():
    methods = {"head": (1290, (0.7, 0.6, 0.75)), "full": (303866, (0.9, 0.88, 0.93))}
    ax = plots.tradeoff(methods, "numbers that train", runs={"full": 0.91})
    points = [bar.lines[0].get_xydata()[0].tolist() for bar in ax.containers]
    assert points == [[1290, 0.7], [303866, 0.9]]
    ends = [bar.lines[2][0].get_segments()[0][:, 1].tolist() for bar in ax.containers]
    assert ends == [pytest.approx([0.6, 0.75]), pytest.approx([0.88, 0.93])]
    assert [text.get_text() for text in ax.texts] == ["head", "full"]
    (cross,) = (line for line in ax.lines if line.get_marker() == "x")
    assert cross.get_xydata().tolist() == [[303866, 0.91]]
    assert ax.get_legend() is not None


def test_a_run_of_an_unknown_method_is_an_error():
    with pytest.raises(KeyError):
        plots.tradeoff({"head": (10, (0.7, 0.6, 0.8))}, "cost", runs={"full": 0.9})
