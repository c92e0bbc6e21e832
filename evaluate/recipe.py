"""The part of the model card on the data, and on how the network and its file were made."""

from typing import Any, Final

from train import data

_OF_IMAGENET: Final = frozenset({"imagenet", "mobilenet_v2_1.0_224_no_top.weights.h5"})
"""What Keras downloads, and the file with the same weights that the shipped network was trained from."""

_ASIRRA: Final = (
    "This model is under the MIT license. The photos are those of the Asirra set (Elson et al. 2007), which Microsoft "
    "offers for download."
)


def network(known: dict[str, Any]) -> dict[str, Any]:
    """What is known of the network that the int8 file was made from."""
    return dict(known["models"][known["conversions"]["int8"]["network"]])


def recipe(known: dict[str, Any]) -> str:
    """That part of the card, as Markdown; see `card.card`."""
    model, about = network(known), known["data"]
    counts, random = about["photos"], model["weights"] == "none"
    start = "Training starts from random weights." if random else _backbone(model)
    licenses = ["", "License of Keras's ImageNet weights: Apache-2.0."] if model["weights"] in _OF_IMAGENET else []
    lines = [
        "## Data and recipe",
        "",
        (
            f"{_origin(about)}: {counts['train']:,} training photos, "
            f"{counts['validation']:,} validation photos for choices and calibration, {counts['test']:,} test photos; "
            f"{about['skipped']} photos are left out. {start}"
        ),
        "",
        *(_phase(phase, model) for phase in model["phases"]),
        "",
        *([model["note"], ""] if "note" in model else []),
        _steps(known),
        *licenses,
        *([_ASIRRA] if _is_shipped_set(about) else []),
        "",
    ]
    return "\n".join(lines)


def _backbone(model: dict[str, Any]) -> str:
    kind = "ImageNet weights" if model["weights"] in _OF_IMAGENET else "the weights of a file"
    return f"The backbone starts from {kind} (`{model['weights']}`)."


def _is_shipped_set(about: dict[str, Any]) -> bool:
    return bool(about["name"] == data.DATASET and about["version"] != data.FOLDER)


def _origin(about: dict[str, Any]) -> str:
    return f"{data_set(about)} of TensorFlow Datasets" if _is_shipped_set(about) else data_set(about)


def data_set(about: dict[str, Any]) -> str:
    """The name of a data set in a sentence, with its version if it has one."""
    return f"{about['name']} {about['version']}" if _is_shipped_set(about) else f"the folder `{about['name']}`"


def _phase(phase: dict[str, Any], model: dict[str, Any]) -> str:
    # Networks from before the cores were written down were trained on two.
    name, cores = phase["name"], model["environment"].get("cores", "two")
    return (
        f"- {name}: {model['epochs_run'][name]} epochs, AdamW, peak learning rate {phase['learning_rate']:g} with "
        f"warm-up and cosine decay, label smoothing {phase['label_smoothing']:g}; "
        f"{model['phase_seconds'][name] / 60:.0f} minutes on {cores} cores; "
        f"{model['test'][name]['accuracy']:.2%} on the test split in Keras"
    )


def _steps(known: dict[str, Any]) -> str:
    model, shipped = network(known), known["conversions"]["int8"]
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
