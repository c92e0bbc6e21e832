"""models/README.md, the model card: text around measured figures (Mitchell et al. 2019, arXiv:1810.03993)."""

from typing import Any, Final

from evaluate import criteria, metrics
from train.data import DATASET, FOLDER

_ASIRRA: Final = (
    "This model is under the MIT license. The photos are those of the Asirra set (Elson et al. 2007), which Microsoft "
    "offers for download."
)
_THRESHOLDS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
_PLOTS: Final = {
    "roc": "ROC curve", "reliability": "Reliability diagram", "confusion": "Confusion matrix",
    "curves": "Accuracy while training", "mistakes": "The worst mistakes",
}  # fmt: skip


def card(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    """The card, as Markdown.

    Args:
        known: the content of `models/metadata.json`.
        evaluation: the content of `models/evaluation.json`.

    Raises:
        KeyError: a figure is missing: train, convert or check first.
    """
    parts = (_head(known, evaluation), _criteria(known, evaluation), _points(known, evaluation), _recipe(known))
    return "\n".join([*parts, _plots(), _corruptions(evaluation), _limits(known, evaluation)])


def accuracy(metrics: dict[str, Any]) -> str:
    """An accuracy with its 95% interval."""
    return f"{_percent(metrics['accuracy'])} ({_interval(metrics)})"


def _percent(share: float) -> str:
    """Two decimals: one photo of 2,100 is 0.05%."""
    return f"{share:.2%}"


def _interval(metrics: dict[str, Any]) -> str:
    low, high = metrics["accuracy_interval"]
    return f"{_percent(low)} to {_percent(high)}"


def _head(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    model, shipped = known["models"]["mobilenetv2"], known["conversions"]["int8"]
    labels, size, mirror = " or ".join(known["data"]["labels"]), model["input_size"], _mirror(shipped)
    return f"""# Model card: {labels}

`python -m evaluate report` writes this file from `metadata.json` and `evaluation.json`. No figure is typed.

| | |
|---|---|
| file | `{shipped["file"]}`, version `{evaluation["model_version"]}`, {shipped["bytes"] / 1e6:.2f} MB |
| network | MobileNetV2 1.0 with one sigmoid, {model["parameters"] / 1e6:.2f} M weights, int8 with a float head |
| input | RGB pixels 0-255, uint8, (1, {size}, {size}, 3), resized to a square by `serve.model.preprocess` |{mirror}
| output | P({known["data"]["positive_class"]}), float32, 0-1 |
| intended use | classify photos of {labels}, one per photo, as people take them |
| out of scope | all other photos: given anything else, the model still answers {labels} |
"""


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
            f"bytes through `serve.Classifier` ({evaluation['runtime']}) and fails if a criterion fails. Brackets hold "
            "95% intervals: Wilson's for shares of photos, a bootstrap's for AUC and calibration error, a paired Wald "
            "interval for the accuracy drop, in percentage points."
        ),
        "",
        "| | measured | criterion | |",
        "|---|---|---|---|",
    ]
    figures = criteria.measured(evaluation, known)
    return "\n".join([*lines, *(_criterion(name, figures[name], evaluation, known) for name in figures), ""])


def _criterion(name: str, figure: float, evaluation: dict[str, Any], known: dict[str, Any]) -> str:
    """One row of the table."""
    criterion, shares = criteria.of(evaluation)[name], _shares(evaluation)
    if name in shares:
        (low, high), photos = shares[name]
        shown = f"{_percent(figure)} ({_percent(low)} to {_percent(high)}; {photos:,} photos)"
        bound = _percent(criterion.bound)
    else:
        low, high = _intervals(known, evaluation)[name]
        shown, bound = f"{figure:.4f} ({low:.4f} to {high:.4f})", f"{criterion.bound:g}"
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


def _recipe(known: dict[str, Any]) -> str:
    model, data = known["models"]["mobilenetv2"], known["data"]
    counts = data["photos"]
    lines = [
        "## Data and recipe",
        "",
        (
            f"{_origin(data)}: {counts['train']:,} training photos, "
            f"{counts['validation']:,} validation photos for choices and calibration, {counts['test']:,} test photos; "
            f"{data['skipped']} photos are left out. The backbone starts from ImageNet weights (`{model['weights']}`)."
        ),
        "",
        *(_phase(phase, model) for phase in model["phases"]),
        "",
        *([model["note"], ""] if "note" in model else []),
        _steps(known),
        "",
        "License of Keras's ImageNet weights: Apache-2.0.",
        *([_ASIRRA] if _is_shipped_set(data) else []),
        "",
    ]
    return "\n".join(lines)


def _is_shipped_set(data: dict[str, Any]) -> bool:
    return bool(data["name"] == DATASET and data["version"] != FOLDER)


def _origin(data: dict[str, Any]) -> str:
    if _is_shipped_set(data):
        return f"{data['name']} {data['version']} of TensorFlow Datasets"
    return f"the folder `{data['name']}`"


def _phase(phase: dict[str, Any], model: dict[str, Any]) -> str:
    name = phase["name"]
    return (
        f"- {name}: {model['epochs_run'][name]} epochs, AdamW, peak learning rate {phase['learning_rate']:g} with "
        f"warm-up and cosine decay, label smoothing {phase['label_smoothing']:g}; "
        f"{model['phase_seconds'][name] / 60:.0f} minutes on two cores; "
        f"{_percent(model['test'][name]['accuracy'])} on the test split in Keras"
    )


def _steps(known: dict[str, Any]) -> str:
    model, shipped = known["models"]["mobilenetv2"], known["conversions"]["int8"]
    steps = [
        f"a temperature ({shipped['temperature']:.3f}), fitted on the validation split, goes into the last layer",
        f"{shipped['calibration']['photos']} photos of the training split set the ranges of int8",
    ]
    if shipped["mirrored"]:
        steps.insert(1, "the network also sees the mirror image of each photo")
    if shipped["confidence_threshold"] is not None:
        steps.append(f"the validation split sets the confidence threshold ({shipped['confidence_threshold']:.3f})")
    return (
        f"`python -m train` runs these phases (seed {model['seed']}, batches of {model['batch_size']}, augmentation as "
        f"in `train/augment.py`). `python -m convert` makes the file: {'; '.join(steps)}."
    )


def _plots() -> str:
    return "\n".join(["## Plots", "", *(f"![{title}](plots/{name}.png)" for name, title in _PLOTS.items()), ""])


def _corruptions(evaluation: dict[str, Any]) -> str:
    whole = evaluation["test"]["metrics"]
    lines = [
        "## Corruptions",
        "",
        "The test split, each photo corrupted before it is sent:",
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
    labels = " or ".join(known["data"]["labels"])
    return f"""## Known limits

- The model knows two classes. Given anything else, it still answers {labels}.
{_uncertain(evaluation["uncertainty"])}
- It expects one class per photo. With both in the photo, either answer may come.
- It resizes photos to a square. A small object in a wide photo keeps few pixels.
- Worst corruption: {worst} ({_percent(measured["accuracy"])}).
- Test and training photos have the same source. The external test set says more about your photos.
"""


def _uncertain(found: dict[str, Any]) -> str:
    alarms, recall, missed = found["false_alarms"], found["recall"], ", ".join(found["missed"]) or "none"
    rule = "Answers are `uncertain`" if found["in_answers"] else "The file has no confidence threshold. It would say so"
    return (
        f"- {rule} below a confidence of {found['threshold']:.3f}: on {_percent(alarms['share'])} of the test photos "
        f"(false alarms), and on\n  {_percent(recall['share'])} of {recall['photos']} out-of-distribution images "
        f"(recall). Missed: {missed}."
    )
