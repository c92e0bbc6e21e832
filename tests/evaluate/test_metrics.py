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


def test_metrics_of_three_labels_worked_by_hand() -> None:
    given = [[0.7, 0.2, 0.1], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3]]
    result = metrics.measure([0, 1, 1, 2], given)
    assert result["accuracy"] == 2 / 4
    # Label 0 is above all others; label 1 in all of its four pairs but (0.3, 0.3), a half; label 2 in two of three.
    assert result["auc"] == pytest.approx(np.mean([1, 3.5 / 4, 2 / 3]))
    assert result["log_loss"] == pytest.approx(-np.mean(np.log([0.7, 0.3, 0.8, 0.3])))
    # Each answer is alone in its bin: two are right, two are wrong.
    assert result["ece"] == pytest.approx(np.mean([0.3, 0.5, 0.2, 0.4]))
    assert result["photos"] == 4
    assert "confusion" not in result


def test_two_labels_have_the_same_metrics_in_two_columns() -> None:
    random = np.random.default_rng(1)
    positive, labels = random.random(200), random.integers(0, 2, 200)
    one, two = metrics.measure(labels, positive), metrics.measure(labels, np.stack([1 - positive, positive], axis=1))
    for name in ("accuracy", "accuracy_interval", "auc", "log_loss", "photos"):
        assert two[name] == pytest.approx(one[name])


def test_a_label_without_photos_counts_in_no_auc() -> None:
    assert metrics.auc([0, 1], np.array([[0.9, 0.1, 0], [0.2, 0.3, 0.5]])) == 1


def test_each_label_has_its_recall_its_precision_and_its_rival() -> None:
    first, second, third, absent = metrics.of_each_label([0, 0, 0, 1, 2], [0, 1, 1, 1, 1], 4)
    assert first == {"photos": 3, "recall": 1 / 3, "precision": 1.0, "taken_for": 1}
    assert second == {"photos": 1, "recall": 1.0, "precision": 1 / 4, "taken_for": None}
    assert third == {"photos": 1, "recall": 0.0, "precision": None, "taken_for": 1}
    assert absent == {"photos": 0, "recall": None, "precision": None, "taken_for": None}


def test_the_bootstrap_of_three_labels_is_around_the_figure() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 150)
    given = random.dirichlet((1, 1, 1), 150) + 0.5 * np.eye(3)[labels]
    given /= given.sum(axis=1, keepdims=True)
    low, high = metrics.bootstrap_interval(metrics.auc, labels, given)
    assert 0.5 < low < metrics.auc(labels, given) < high <= 1


def test_the_divergence_is_that_of_the_distributions() -> None:
    by_hand = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert metrics.divergence(np.array([0.5, 0.5]), np.array([0.25, 0.5])) == pytest.approx(by_hand / 2)
    three = np.array([[0.2, 0.3, 0.5]])
    assert metrics.divergence(three, three) == 0
    assert metrics.divergence(three, np.array([[0.3, 0.2, 0.5]])) == pytest.approx(
        0.2 * np.log(2 / 3) + 0.3 * np.log(3 / 2)
    )


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
    assert metrics.operating_point([0, 1], [0.1, 0.2], 0.5)["precision_positive"] is None


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
    # By hand: 20 / 1002 -+ 1.96 * sqrt(41 / 1002 - (20 / 1002) ** 2) / sqrt(1002)
    assert metrics.difference_interval(30, 10, 1000) == pytest.approx((0.01996 - 0.01246, 0.01996 + 0.01246), abs=1e-4)
    low, high = metrics.difference_interval(0, 0, 20)
    assert low == -high
    assert high == pytest.approx(1.96 / 22, abs=1e-3)


def test_the_bootstrap_interval_has_the_figure_in_it() -> None:
    random = np.random.default_rng(0)
    for _ in range(10):
        labels = np.tile([0, 1], 20)
        probabilities = np.clip(labels * 0.4 + 0.3 + random.normal(0, 0.2, 40), 0, 1)
        error = metrics.expected_calibration_error(labels, probabilities)
        low, high = metrics.bootstrap_interval(metrics.expected_calibration_error, labels, probabilities, 100)
        assert low <= error <= high
