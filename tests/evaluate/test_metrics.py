import numpy as np
import numpy.typing as npt
import pytest

from evaluate import metrics


def test_metrics_of_a_case_worked_by_hand() -> None:
    result = metrics.measure([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])
    assert result["accuracy"] == 0.5
    assert result["auc"] == 0.75  # of the four pairs of a 0 and a 1, three are in order
    assert result["confusion"] == [[1, 1], [1, 1]]
    expected = -np.mean(np.log([0.9, 0.4, 0.4, 0.9]))
    assert result["log_loss"] == pytest.approx(expected)
    assert result["photos"] == 4


def test_certainty_that_is_wrong_has_a_finite_log_loss() -> None:
    assert np.isfinite(metrics.measure([0, 1], [1.0, 0.0])["log_loss"])


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_is_that_of_the_literature(successes: int, trials: int, low: float, high: float) -> None:
    assert metrics.wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_summary_names_both_labels_and_all_four_counts() -> None:
    result = metrics.measure([0, 0, 1], [0.1, 0.6, 0.9])
    text = metrics.summary("model", result, ("cat", "dog"))
    assert "true cat: 1 as cat, 1 as dog" in text
    assert "true dog: 0 as cat, 1 as dog" in text


def test_calibration_error_of_a_case_worked_by_hand() -> None:
    # Ten photos in the bin around 0.5, of which 8 are positive, and ten at 0.9, of which 9 are.
    labels, probabilities = [1] * 8 + [0] * 2 + [1] * 9 + [0], [0.5] * 10 + [0.9] * 10
    assert metrics.expected_calibration_error(labels, probabilities) == pytest.approx((0.3 + 0.0) / 2)
    low, high = metrics.reliability(labels, probabilities)
    assert (low.photos, low.probability, low.share) == (10, 0.5, 0.8)
    assert (high.photos, high.share) == (10, 0.9)


def test_certainty_that_is_right_is_calibrated() -> None:
    assert metrics.expected_calibration_error([0, 1, 1], [0.0, 1.0, 1.0]) == 0


def test_precision_and_recall_of_both_labels() -> None:
    point = metrics.operating_point([0, 0, 0, 1, 1], [0.1, 0.2, 0.8, 0.4, 0.9], 0.5)
    assert point["precision_positive"] == 1 / 2
    assert point["recall_positive"] == 1 / 2
    assert point["precision_negative"] == 2 / 3
    assert point["recall_negative"] == 2 / 3
    assert metrics.operating_point([0, 1], [0.1, 0.2], 0.5)["precision_positive"] == 1.0


def test_the_bootstrap_covers_a_proportion_as_wilsons_interval_does() -> None:
    labels, right = np.tile([0, 1], 500), np.repeat([True, False], [300, 700])
    probabilities = np.where(right, labels, 1 - labels)

    def accuracy(truth: npt.ArrayLike, said: npt.ArrayLike) -> float:
        return float((np.asarray(truth) == np.asarray(said)).mean())

    low, high = metrics.bootstrap_interval(accuracy, labels, probabilities)
    assert (low, high) == pytest.approx(metrics.wilson_interval(300, 1000), abs=0.005)


def test_the_bootstrap_of_few_photos_has_both_labels_in_every_draw() -> None:
    assert metrics.bootstrap_interval(metrics.auc, [0, 1], [0.2, 0.7]) == (1, 1)


def test_the_interval_of_a_difference_is_that_of_its_discordant_photos() -> None:
    # Standard error by hand: sqrt((30 + 10) / 1000 - 0.02 ** 2) / sqrt(1000)
    assert metrics.difference_interval(30, 10, 1000) == pytest.approx((0.02 - 0.01233, 0.02 + 0.01233), abs=1e-4)
    assert metrics.difference_interval(0, 0, 1000) == (0, 0)
