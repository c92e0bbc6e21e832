"""models/README.md, the model card: text around measured figures (Mitchell et al. 2019, arXiv:1810.03993)."""

import re
from collections.abc import Sequence
from typing import Any, Final

from convert import modes
from evaluate import criteria, metrics, names, pictures, recipe, style
from serve.model.formats.unsupported import SUPPORTED
from train import data

_SPECIAL: Final = re.compile(r"[|<>*_~&$`\\\[\]]")
_NAMED: Final = 6  # the most labels that a sentence lists
_THRESHOLDS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
_PLOTS: Final = {
    "roc": "ROC curve", "reliability": "Reliability diagram", "confusion": "Confusion matrix",
    "curves": "Accuracy while training", "mistakes": "The worst mistakes",
    "heat_maps": "What the model looked at: heat maps of six test photos",
}  # fmt: skip


def card(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    """The card, as Markdown.

    Args:
        known: the content of `models/metadata.json`.
        evaluation: the content of `models/evaluation.json`.

    Raises:
        KeyError: a figure is missing: train, convert or check first.
    """
    known = _with_labels(known)
    short = (_head(known, evaluation), _limits(known, evaluation))
    by_label = _points if data.positive(known["data"]["labels"]) else _labels
    details = (_criteria(known, evaluation), _corruptions(evaluation), by_label(known, evaluation), _plots(known))
    return "\n".join([*short, *details, recipe.recipe(known)])


def _with_labels(known: dict[str, Any]) -> dict[str, Any]:
    """The metadata with labels that Markdown shows as they are."""
    about = known["data"]
    escaped: dict[str, Any] = {"labels": list(map(_escaped, about["labels"]))}
    if "positive_class" in about:
        escaped["positive_class"] = _escaped(about["positive_class"])
    return {**known, "data": {**about, **escaped}}


def _escaped(name: str) -> str:
    """A name, whose characters mean nothing to Markdown or in a table."""
    return _SPECIAL.sub(r"\\\g<0>", name)


def accuracy(metrics: dict[str, Any]) -> str:
    """An accuracy with its 95% interval."""
    return f"{_percent(metrics['accuracy'])} ({_interval(metrics)})"


def _percent(share: float | None) -> str:
    """Two decimals: one photo of 2,100 is 0.05%. None: a share of nothing."""
    return "-" if share is None else f"{share:.2%}"


def _interval(metrics: dict[str, Any]) -> str:
    low, high = metrics["accuracy_interval"]
    return f"{_percent(low)} to {_percent(high)}"


def _head(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    """What the model is, and how good: all that most readers need."""
    model, shipped = recipe.network(known), known["conversions"]["int8"]
    labels, size, mirror = known["data"]["labels"], model["input_size"], _mirror(shipped)
    positive = data.positive(labels)
    head = "one sigmoid" if positive else f"a softmax over {len(labels)} labels"
    network = f"{names.full(shipped['network'])} with {head}"
    output = f"P({positive})" if positive else f"P(label) of each of the {len(labels)} labels, in the file's order"
    return f"""# Model card: {_classes(labels)}

| | |
|---|---|
{_figures(evaluation)}
| intended use | classify photos of {_classes(labels)}, one per photo, as people take them |
| out of scope | all other photos: given anything else, the model still answers {_one_of(labels)} |
| photos | {SUPPORTED}, turned upright, in sRGB |
| network | {network}, {model["parameters"] / 1e6:.2f} M weights, int8 with a float head |
| input | RGB pixels 0-255, uint8, (1, {size}, {size}, 3), resized to a square by `serve.model.preprocess` |{mirror}
| output | `{modes.OUTPUTS[0]}`: {output}, float32, 0-1 |
| second output | `{modes.OUTPUTS[1]}`: the logits at each place, float32, for [`explain`](../docs/api.md) |
| file | `{shipped["file"]}`, version `{evaluation["model_version"]}`, {shipped["bytes"] / 1e6:.2f} MB |

`python -m evaluate report` writes this page from `metadata.json` and `evaluation.json`. No figure is typed.
"""


def _classes(labels: Sequence[str]) -> str:
    """The labels in a sentence; of many, their number."""
    return f"{len(labels)} classes" if len(labels) > _NAMED else f"{', '.join(labels[:-1])} or {labels[-1]}"


def _one_of(labels: Sequence[str]) -> str:
    return "one of them" if len(labels) > _NAMED else _classes(labels)


def _figures(evaluation: dict[str, Any]) -> str:
    """The rows of the head that say how good the model is, with 95% intervals."""
    titles = {"test": "test split", "external": "external test set, photos from another source"}
    found = {title: evaluation[part]["metrics"] for part, title in titles.items() if part in evaluation}
    return "\n".join(
        f"| accuracy, {title} | {accuracy(one)}, {one['photos']:,} photos |" for title, one in found.items()
    )


def _mirror(shipped: dict[str, Any]) -> str:
    if not shipped["mirrored"]:
        return ""
    return "\n| test-time augmentation | the answer is the mean logit of the photo and its mirror image |"


def _criteria(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    lines = [
        "## Acceptance criteria",
        "",
        (
            "`python -m evaluate check --photos FOLDER --out-of-distribution FOLDER` runs the shipped file from file "
            f"bytes, as it is served, with {evaluation['runtime']}, and fails if a criterion fails. Brackets hold "
            "95% intervals: Wilson's for shares of photos, a bootstrap's for AUC and calibration error, "
            "Agresti and Min's for the accuracy drop, in percentage points."
        ),
        "",
        "| | measured | criterion | |",
        "|---|---|---|---|",
    ]
    figures = criteria.measured(evaluation, known)
    rows = (_criterion(name, figures[name], evaluation, known) for name in figures)
    missed = ", ".join(map(_escaped, evaluation["uncertainty"]["missed"])) or "none"
    found = [f"Out-of-distribution images that are not `uncertain`: {missed}.", ""]
    not_judged = ", ".join(name for name in evaluation["criteria"] if name not in figures)
    also = [f"Not judged: {not_judged}.", ""] if not_judged else []
    return "\n".join([*lines, *rows, "", *also, *(found if evaluation["uncertainty"]["in_answers"] else [])])


def _criterion(name: str, figure: float, evaluation: dict[str, Any], known: dict[str, Any]) -> str:
    """One row of the table."""
    criterion, shares = criteria.of(evaluation)[name], _shares(evaluation)
    if name in shares:
        (low, high), photos = shares[name]
        shown = f"{_percent(figure)} ({_percent(low)} to {_percent(high)}; {photos:,} photos)"
        bound = _percent(criterion.bound)
    else:
        low, high = _intervals(known, evaluation)[name]
        interval = f" ({low:.4f} to {high:.4f})" if low < high else ""  # of an AUC of 1, every bootstrap sample has 1
        shown, bound = f"{figure:.4f}{interval}", f"{criterion.bound:g}"
    verdict = "holds" if criterion.holds(figure) else "**fails**"
    return f"| {name} | {shown} | {criterion.kind} {bound} | {verdict} |"


def _intervals(known: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, list[float]]:
    """The 95% intervals of the figures that are not shares of photos."""
    of_test, compared = evaluation["test"]["intervals"], known["conversions"]["int8"]["runtimes"][evaluation["runtime"]]
    return {
        "test AUC": of_test["auc"],
        "test calibration error": of_test["ece"],
        "accuracy drop": [100 * end for end in compared["accuracy_drop_interval"]],
    }


def _shares(evaluation: dict[str, Any]) -> dict[str, tuple[list[float], int]]:
    """For the figures that are shares of photos: the 95% interval and the number of photos."""
    intervals = {}
    for name, part in (("test accuracy", "test"), ("external accuracy", "external")):
        if part in evaluation:
            measured = evaluation[part]["metrics"]
            intervals[name] = (measured["accuracy_interval"], measured["photos"])
    for name, part in (("false-alarm rate", "false_alarms"), ("out-of-distribution recall", "recall")):
        share = evaluation["uncertainty"][part]
        intervals[name] = (share["interval"], share["photos"])
    return intervals


def _points(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    test, (negative, positive) = evaluation["test"], known["data"]["labels"]
    lines = [
        "## Other decision thresholds",
        "",
        (
            f"The label is {positive} at P({positive}) = 0.5 or more. If one mistake costs you more than the other, "
            "apply another threshold to the probability. On the test split:"
        ),
        "",
        f"| {positive} at | precision {positive} | recall {positive} | precision {negative} | recall {negative} |",
        "|---|---|---|---|---|",
    ]
    for threshold in _THRESHOLDS:
        point = metrics.operating_point(test["labels"], test["probabilities"], threshold)
        figures = (point[f"{what}_{which}"] for which in ("positive", "negative") for what in ("precision", "recall"))
        lines.append(f"| {threshold} | {' | '.join(map(_percent, figures))} |")
    return "\n".join([*lines, ""])


def _labels(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    test, labels = evaluation["test"], known["data"]["labels"]
    found = metrics.of_each_label(test["labels"], test["predicted"], len(labels))
    lines = [
        "## Labels",
        "",
        (
            "On the test split, the lowest recall first; a label that was never the answer has no precision. The AUC "
            "is the mean of each label's against all others, and the calibration error is that of the confidence."
        ),
        "",
        "| label | photos | recall | precision | most often taken for |",
        "|---|---|---|---|---|",
    ]
    for label, one in sorted(zip(labels, found, strict=True), key=lambda pair: pair[1]["recall"] or 0.0):
        other = "" if one["taken_for"] is None else labels[one["taken_for"]]
        figures = f"{one['photos']:,} | {_percent(one['recall'])} | {_percent(one['precision'])}"
        lines.append(f"| {label} | {figures} | {other} |")
    return "\n".join([*lines, ""])


def _plots(known: dict[str, Any]) -> str:
    shown = {name: title for name, title in _PLOTS.items() if name != "roc" or data.positive(known["data"]["labels"])}
    return "\n".join(["## Plots", "", *(style.image(f"plots/{name}.png", title) for name, title in shown.items()), ""])


def _corruptions(evaluation: dict[str, Any]) -> str:
    whole = evaluation["test"]["metrics"]
    lines = [
        "## Corruptions",
        "",
        f"The test split, each photo corrupted before it is sent, at most {pictures.LONGEST} pixels long:",
        "",
        "| | accuracy (95% interval) | AUC |",
        "|---|---|---|",
        f"| none | {accuracy(whole)} | {whole['auc']:.4f} |",
    ]
    for name, measured in evaluation["corruptions"].items():
        lines.append(f"| {name} | {accuracy(measured)} | {measured['auc']:.4f} |")
    return "\n".join([*lines, ""])


def _limits(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    worst, measured = min(evaluation["corruptions"].items(), key=lambda item: item[1]["accuracy"])
    labels = known["data"]["labels"]
    external = "The external test set" if "external" in evaluation else "A test set from elsewhere (`--photos`)"
    number, several = str(len(labels)), "With several in the photo, the label of any of them may come."
    if len(labels) == 2:
        number, several = "two", "With both in the photo, either answer may come."
    return f"""## Known limits

- The model knows {number} classes. Given anything else, it still answers {_one_of(labels)}.
{_uncertain(evaluation["uncertainty"])}
- It expects one class per photo. {several}
- It resizes photos to a square. A small object in a wide photo keeps few pixels.
- Of an animation or a burst it sees one picture. HEIC photos are turned by the rotation that the container
  names, not by EXIF; of one that takes too long to decode, it sees the thumbnail.
- Worst corruption: {worst} ({_percent(measured["accuracy"])}).
- Test and training photos have the same source. {external} says more about your photos.
"""


def _uncertain(found: dict[str, Any]) -> str:
    alarms, recall = found["false_alarms"], found["recall"]
    rule = "Answers are `uncertain`" if found["in_answers"] else "The file has no confidence threshold. It would say so"
    return (
        f"- {rule} below a confidence of {found['threshold']:.3f}: on {_percent(alarms['share'])} of the test photos "
        f"(false alarms), and on\n  {_percent(recall['share'])} of {recall['photos']} out-of-distribution images "
        "(recall)."
    )
