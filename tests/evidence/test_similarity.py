import pytest
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from course_lib.evidence.similarity import neighbour_accuracy


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn(seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (25,), generator=generator)
    features = torch.randn(25, 6, generator=generator) + labels[:, None]
    neighbour = KNeighborsClassifier(1, metric="cosine")
    expected = cross_val_score(neighbour, features, labels, cv=LeaveOneOut()).mean()
    assert neighbour_accuracy(features, labels) == pytest.approx(expected)


def test_an_example_is_not_its_own_neighbour():
    features = torch.eye(4)
    assert neighbour_accuracy(features, torch.arange(4)) == 0.0


@pytest.mark.parametrize(("n", "m"), [(1, 1), (0, 0), (3, 2)])
def test_too_few_are_refused(n, m):
    with pytest.raises(ValueError, match="at least two"):
        neighbour_accuracy(torch.rand(n, 3), torch.zeros(m))
