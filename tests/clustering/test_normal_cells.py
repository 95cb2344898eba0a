"""Normal cells: their mean and scatter, and the matrix that whitens deviations from them."""

import numpy as np
import pytest

from firstsight.clustering.normal_cells import SHRINKAGE, NormalCells, normal_cells, whitening


def test_cells_above_the_threshold_do_not_count() -> None:
    features = np.random.default_rng(0).normal(size=(3, 8))
    scores = np.array([0.1, 0.9, 0.2, 0.5, 0.8, 0.3, 0.4, 0.5])
    mean, cells = normal_cells(features, scores, 0.5)
    chosen = [features[:, index] for index in (0, 2, 3, 5, 6, 7)]
    np.testing.assert_allclose(mean, np.mean(chosen, axis=0))
    assert cells.n_cells == 6
    np.testing.assert_allclose(cells.scatter, 6 * np.cov(np.transpose(chosen), bias=True))


def test_where_all_are_above_those_with_the_lowest_score_count() -> None:
    features = np.arange(6.0).reshape(2, 3)
    mean, cells = normal_cells(features, np.array([3.0, 2.0, 2.0]), 1.0)
    assert mean.tolist() == [1.5, 4.5]
    assert cells.n_cells == 2


def test_whitened_deviations_have_unit_variance_where_they_vary() -> None:
    rng = np.random.default_rng(1)
    deviations = rng.normal(size=(5000, 4)) @ np.diag([10.0, 8.0, 9.0, 0.0]) @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    cells = NormalCells(len(deviations), deviations.T @ deviations)
    matrix = whitening(cells)
    np.testing.assert_allclose(matrix, matrix.T)
    covariance = cells.scatter / cells.n_cells
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / 4 * np.eye(4)
    np.testing.assert_allclose(matrix @ shrunk @ matrix, np.eye(4), atol=1e-9)
    variances = np.linalg.eigvalsh(matrix @ covariance @ matrix)
    assert variances[0] == pytest.approx(0, abs=1e-9), "what does not vary is not blown up"
    assert (variances[1:] > 0.9).all()
    assert (variances[1:] < 1.2).all()


@pytest.mark.parametrize("count", [0, 5])
def test_cells_that_do_not_vary_leave_deviations_as_they_are(count: int) -> None:
    np.testing.assert_array_equal(whitening(NormalCells(count, np.zeros((3, 3)))), np.eye(3))
    assert whitening(NormalCells(0, np.zeros((0, 0)))).shape == (0, 0)
