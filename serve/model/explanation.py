"""What a network looked at: its class activation map, as a grid over the photo.

A network that averages its last feature map over all places, and then weighs the features, has a logit at each place
before the average; their mean is the photo's logit. `python -m convert` makes them the file's second output.
Source: Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", arXiv:1512.04150, section 2.
"""

from collections.abc import Sequence

Grid = tuple[tuple[float, ...], ...]
"""Rows from top to bottom, in each the places from left to right, of the photo as it stands upright."""


def of_two(logits: Sequence[float], columns: int, *, is_positive: bool) -> Grid:
    """The evidence for one of two labels: its log-odds at each place, whose mean is that of its probability.

    Args:
        logits: of the positive class, row by row.
        columns: of the map.
        is_positive: whether the label is the positive class.
    """
    return _rows([logit if is_positive else -logit for logit in logits], columns)


def of_many(logits: Sequence[float], columns: int, labels: int, label: int) -> Grid:
    """The evidence for one of more than two labels: its logit at each place minus the mean of the other labels' there.

    A softmax takes differences: a logit alone says nothing.

    Args:
        logits: row by row, at each place one for each label.
        columns: of the map.
        labels: how many there are.
        label: the place of the one in question among them.
    """
    places = [logits[start : start + labels] for start in range(0, len(logits), labels)]
    return _rows([each[label] - (sum(each) - each[label]) / (labels - 1) for each in places], columns)


def _rows(evidence: Sequence[float], columns: int) -> Grid:
    return tuple(tuple(evidence[start : start + columns]) for start in range(0, len(evidence), columns))
