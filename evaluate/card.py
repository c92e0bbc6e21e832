"""models/README.md, the model card: text around figures that were measured (Mitchell et al. 2019, arXiv:1810.03993)."""

from typing import Any, Final

from evaluate import check, metrics

_THRESHOLDS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)


def card(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    """The card, as Markdown.

    Args:
        known: what `models/metadata.json` holds.
        evaluation: what `models/evaluation.json` holds.

    Raises:
        KeyError: a figure is missing: train, convert or check first.
    """
    parts = (_head(known, evaluation), _bars(known, evaluation), _points(known, evaluation), _recipe(known))
    return "\n".join([*parts, _plots(), _robustness(evaluation), _limits(known, evaluation)])


def accuracy(metrics: dict[str, Any]) -> str:
    """An accuracy with its 95% interval."""
    return f"{_percent(metrics['accuracy'])} ({_interval(metrics)})"


def _percent(share: float) -> str:
    """Two decimals: a photo of 2,100 is 0.05 points."""
    return f"{share:.2%}"


def _interval(metrics: dict[str, Any]) -> str:
    low, high = metrics["accuracy_interval"]
    return f"{_percent(low)} to {_percent(high)}"


def _head(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    model, shipped = known["models"]["mobilenetv2"], known["conversions"]["int8"]
    labels = " or ".join(known["data"]["labels"])
    size, views = model["input_size"], _views(shipped)
    return f"""# Model card: {labels}

Written by `python -m evaluate report` from `metadata.json` and `evaluation.json`: no figure here is typed.

| | |
|---|---|
| file | `cats_dogs.tflite`, version `{evaluation["model_version"]}`, {shipped["bytes"] / 1e6:.2f} MB |
| network | MobileNetV2 1.0 with one sigmoid, {model["parameters"] / 1e6:.2f} M weights, int8 with a float head |{views}
| takes | RGB pixels 0-255, uint8, (1, {size}, {size}, 3), from `serve.model.preprocess`, which squeezes to a square |
| answers | P({known["data"]["positive_class"]}), float32, 0-1 |
| meant for | telling photos of {labels} apart, one animal a photo, as people take them |
| not meant for | anything else: given a horse, the model still answers one of its two labels |
"""


def _views(shipped: dict[str, Any]) -> str:
    if not shipped["mirrored"]:
        return ""
    return "\n| looks at | the photo and its mirror image; the mean of both logits is the answer |"


def _bars(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    lines = [
        "## What is promised, and what was measured",
        "",
        (
            "`python -m evaluate check --photos FOLDER --out-of-distribution OTHERS` runs the shipped file from "
            f"file bytes through `serve.Classifier` ({evaluation['runtime']}) and fails if one does not hold. "
            "With their 95% intervals: Wilson's for shares of photos, a bootstrap's for AUC and calibration error, a "
            "paired one for int8's loss."
        ),
        "",
        "| | measured | bar | |",
        "|---|---|---|---|",
    ]
    shares, others = _shares(evaluation), _intervals(known, evaluation)
    for name, figure in check.measured(evaluation, known).items():
        kind, bar = check.BARS[name]
        if name in shares:
            (low, high), photos = shares[name]
            shown = (
                f"{_percent(figure)} ({_percent(low)} to {_percent(high)}; {photos:,} photos) | {kind} {_percent(bar)}"
            )
        else:
            low, high = others[name]
            shown = f"{figure:.4f} ({low:.4f} to {high:.4f}) | {kind} {bar}"
        lines.append(f"| {name} | {shown} | {'holds' if check.holds(name, figure) else '**missed**'} |")
    return "\n".join([*lines, ""])


def _intervals(known: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, list[float]]:
    """For those figures that are no share of photos: the 95% interval."""
    intervals, lost = evaluation["test"]["intervals"], known["conversions"]["int8"]["runtimes"][evaluation["runtime"]]
    return {
        "test AUC": intervals["auc"],
        "test calibration error": intervals["ece"],
        "points lost to float32": [100 * end for end in lost["lost_interval"]],
    }


def _shares(evaluation: dict[str, Any]) -> dict[str, tuple[list[float], int]]:
    """For those figures that are a share of photos: the 95% interval, and how many photos."""
    accuracies = {"test accuracy": "test", "accuracy on photos from elsewhere": "elsewhere"}
    shares = {"false-alarm rate": "test", "recall on out-of-distribution images": "others"}
    intervals = {}
    for name, part in accuracies.items():
        if part in evaluation:
            metrics = evaluation[part]["metrics"]
            intervals[name] = (metrics["accuracy_interval"], metrics["photos"])
    for name, part in shares.items():
        share = evaluation["uncertainty"][part]
        intervals[name] = (share["interval"], share["photos"])
    return intervals


def _points(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    test, (negative, positive) = evaluation["test"], known["data"]["labels"]
    lines = [
        "## Where to draw the line",
        "",
        (
            f"The label is {positive} from P({positive}) = 0.5 on. Whoever minds one mistake more than the other reads "
            "the probability and draws the line elsewhere; on the test split:"
        ),
        "",
        f"| {positive} from | precision {positive} | recall {positive} | precision {negative} | recall {negative} |",
        "|---|---|---|---|---|",
    ]
    for threshold in _THRESHOLDS:
        point = metrics.operating_point(test["labels"], test["probabilities"], threshold)
        figures = (point[f"{what}_{which}"] for which in ("positive", "negative") for what in ("precision", "recall"))
        lines.append(f"| {threshold} | {' | '.join(map(_percent, figures))} |")
    return "\n".join([*lines, ""])


def _recipe(known: dict[str, Any]) -> str:
    model, test, data = known["models"]["mobilenetv2"], known["models"]["mobilenetv2"]["test"], known["data"]
    counts = data["photos"]
    phases = [
        f"- {phase['name']}: {model['epochs_run'][phase['name']]} epochs, AdamW, peak rate {phase['learning_rate']:g} "
        f"with warm-up and cosine decay, label smoothing {phase['label_smoothing']:g}; "
        f"{model['phase_seconds'][phase['name']] / 60:.0f} minutes on two cores; "
        f"{_percent(test[phase['name']]['accuracy'])} on the test split in Keras"
        for phase in model["phases"]
    ]
    temperature = known["conversions"]["int8"]["temperature"]
    return "\n".join(
        [
            "## Data and recipe",
            "",
            (
                f"{data['name']} {data['version']} of TensorFlow Datasets: {counts['train']:,} photos to train on, "
                f"{counts['validation']:,} to choose and calibrate by, {counts['test']:,} to test on, "
                f"{data['skipped']} left out. The backbone starts from ImageNet's weights (`{model['weights']}`)."
            ),
            "",
            *phases,
            "",
            *([model["note"], ""] if "note" in model else []),
            (
                f"`python -m train` does this (seed {model['seed']}, batches of {model['batch_size']}; augmentation: "
                "see `train/data.py`), `python -m convert` the rest: a temperature fitted on the validation split "
                f"({temperature:.3f}) is folded into the last layer, "
                + ("the photo's mirror image is looked at too, " if known["conversions"]["int8"]["mirrored"] else "")
                + "then int8 with ranges from "
                f"{known['conversions']['int8']['calibration']['photos']} photos of the training split."
            ),
            "",
            (
                "Licences: the ImageNet weights of Keras are under Apache-2.0, this model is under MIT. The photos are "
                "those of the Asirra set (Elson et al. 2007), which Microsoft offers for download."
            ),
            "",
        ]
    )


def _plots() -> str:
    names = {
        "roc": "ROC curve", "reliability": "Reliability diagram", "confusion": "Confusion matrix",
        "curves": "Accuracy while training", "mistakes": "The worst mistakes",
    }  # fmt: skip
    return "\n".join(["## Plots", "", *(f"![{title}](plots/{name}.png)" for name, title in names.items()), ""])


def _robustness(evaluation: dict[str, Any]) -> str:
    whole = evaluation["test"]["metrics"]
    lines = [
        "## When photos are worse",
        "",
        "The test split again, each photo spoiled before it is sent:",
        "",
        "| | accuracy (95% interval) | AUC |",
        "|---|---|---|",
        f"| as it is | {accuracy(whole)} | {whole['auc']:.4f} |",
    ]
    for name, measured in evaluation["robustness"].items():
        lines.append(f"| {name} | {accuracy(measured)} | {measured['auc']:.4f} |")
    return "\n".join([*lines, ""])


def _limits(known: dict[str, Any], evaluation: dict[str, Any]) -> str:
    hardest, metrics = min(evaluation["robustness"].items(), key=lambda item: item[1]["accuracy"])
    negative, positive = known["data"]["labels"]
    return f"""## Known limits

- Closed set: a horse, a face or a wall gets {negative} or {positive}. {_uncertain(evaluation["uncertainty"])}
- One animal is expected. With both in the photo, either answer may come.
- Photos are squeezed to a square: an animal small in a wide photo has few pixels left.
- Of the changes above it stands this one worst: {hardest} ({_percent(metrics["accuracy"])}).
- The test photos come from the same place as the training photos; the photos from elsewhere tell more about yours.
"""


def _uncertain(found: dict[str, Any]) -> str:
    others, missed = found["others"], ", ".join(found["missed"]) or "none"
    said = "Answers are `uncertain` where" if found["answered"] else "Answers are never `uncertain`. If they were where"
    test, shown = _percent(found["test"]["share"]), _percent(others["share"])
    return (
        f"{said} the network is less\n  sure than {found['below']:.3f}, {test} of the test photos would get it, and "
        f"{shown} of\n  {others['photos']} out-of-distribution images; not these: {missed}."
    )
