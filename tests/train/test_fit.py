"""A run is reproducible, keeps its best epoch, and stops when the loss is no number."""

import gc
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from evaluate import metrics
from tests import digits
from tests.train.conftest import Train
from tests.train.test_resume import assert_same_weights
from train import __main__ as cli
from train import batches, data, distill, fit, metadata, models, splits
from train.learner import Learner
from train.phases import Phase

Folder = Callable[[int], Path]

pytestmark = pytest.mark.training


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(
    photo_folder: Folder, tmp_path: Path, train: Train
) -> None:
    """In every other phase, tests/train/test_resume.py says so of runs that were interrupted."""
    folder = photo_folder(40)
    flags = ("--model", "baseline", "--epochs", "2")
    one, two, other = (
        train(folder, tmp_path / name, *flags, "--seed", seed)
        for name, seed in (("one", "7"), ("two", "7"), ("other", "8"))
    )
    assert_same_weights(one, two)
    assert any(not np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_more_than_two_classes_go_through_every_phase(
    tiny: None, tmp_path: Path, train: Train, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, bool]] = []
    for_training = batches.for_training

    def recorded(*args: Any, **options: Any) -> tf.data.Dataset:
        asked.append((options["seed"], options["backgrounds"] is not None))
        return for_training(*args, **options)

    monkeypatch.setattr(batches, "for_training", recorded)
    folder = digits.write(tmp_path / "digits", {"zero": 30, "one": 25, "two": 12})
    flags = ["--weights", "none", "--epochs", "1", "--fine-tune-epochs", "1", "--distill-epochs", "1"]
    network = train(folder, tmp_path / "out", *flags, "--tensorboard", str(tmp_path / "logs"))
    assert network.output_shape == (None, 3)
    assert re.search(r"imbalanced \(\d+ of two, \d+ of zero\); photos of rare", capsys.readouterr().out)
    history = json.loads((tmp_path / "out" / "history" / "mobilenetv2.json").read_text())
    assert [epoch["phase"] for epoch in history] == ["frozen", "fine-tune", "fine-tune-2", "distill"]
    assert asked == [(1, False), (2, False), (3, False), (4, True)]  # other crops in another order, in each phase
    assert all(0 < epoch[name] <= 1 for epoch in history for name in ("auc", "val_auc", "accuracy"))
    logs = {file.parent.relative_to(tmp_path / "logs").as_posix() for file in tmp_path.rglob("*tfevents*")}
    assert logs == {f"{epoch['phase']}/{split}" for epoch in history for split in ("train", "validation")}


def test_a_phase_starts_from_the_weights_and_with_the_options_that_it_names(tmp_path: Path) -> None:
    frozen = Learner.of(models.baseline(32))
    distill.bare(frozen).save_weights(tmp_path / "frozen.weights.h5")
    for name in ("fine-tune", "fine-tune-2"):
        phase = Phase(name, 1, 1e-4, weight_decay=0.01, label_smoothing=0.1, batch_norm_momentum=0.7)
        other = Learner.of(models.baseline(32))
        started = fit._started(other, phase, tmp_path)
        assert_same_weights(frozen, started)
        fit._compile(started, phase)
        assert (started.optimizer.weight_decay, started.loss.label_smoothing) == (0.01, 0.1)
        momenta = {one.momentum for one in started.layers if isinstance(one, keras.layers.BatchNormalization)}
        assert momenta == {0.7}


def test_the_best_epoch_counts_and_waiting_ends(photo_folder: Folder, tmp_path: Path, train: Train) -> None:
    folder, output = photo_folder(40), tmp_path / "out"
    # So high a rate makes the accuracy jump about: some epoch is followed by a worse one, and patience runs out.
    train(folder, output, "--model", "baseline", "--epochs", "30", "--patience", "1", "--learning-rate", "0.5")
    history = json.loads((output / "history" / "baseline.json").read_text())
    accuracies = [epoch["val_accuracy"] for epoch in history]
    best = max(place for place, accuracy in enumerate(accuracies) if accuracy == max(accuracies))
    assert len(accuracies) < 30
    assert best == len(accuracies) - 2
    network = keras.models.load_model(output / "baseline.keras")
    photos = splits.load(data.open_data_set(folder), 32, tmp_path / "cache")
    validation, test = (
        metrics.measure(photos[split].labels, models.predict(network, photos[split]))
        for split in ("validation", "test")
    )
    assert validation["accuracy"] == pytest.approx(max(accuracies))
    assert validation["log_loss"] == pytest.approx(history[best]["val_loss"], rel=1e-3)
    measured = metadata.read(output)["models"]["baseline"]["test"]["scratch"]
    assert measured["log_loss"] == pytest.approx(test["log_loss"])
    assert measured["log_loss"] != pytest.approx(validation["log_loss"])


def test_the_last_epoch_of_a_distillation_counts_whatever_its_accuracy(
    tiny: None, photo_folder: Folder, tmp_path: Path, train: Train
) -> None:
    folder, output = photo_folder(40), tmp_path / "out"
    flags = ["--epochs", "1", "--fine-tune-epochs", "1", "--distill-epochs", "6", "--distill-learning-rate", "0.5"]
    network = train(folder, output, "--weights", "none", "--patience", "1", *flags)
    history = json.loads((output / "history" / "mobilenetv2.json").read_text())
    distilled = [epoch for epoch in history if epoch["phase"] == "distill"]
    assert len(distilled) == 6
    assert distilled[-1]["val_accuracy"] < max(epoch["val_accuracy"] for epoch in distilled)
    photos = splits.load(data.open_data_set(folder), 32, tmp_path / "cache")["validation"]
    found = metrics.measure(photos.labels, models.predict(network, photos))
    assert found["log_loss"] == pytest.approx(distilled[-1]["val_loss"], rel=1e-3)


def input_pipelines() -> list[int]:
    """Those of TensorFlow that are alive."""
    return [id(one) for one in gc.get_objects() if isinstance(one, tf.data.Iterator)]


@contextmanager
def not_collecting() -> Iterator[None]:
    gc.collect()
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def test_a_loss_that_is_not_a_number_stops_the_run(
    photo_folder: Folder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    build = models.build

    def broken(*args: object) -> keras.Model:
        model = build(*args)  # type: ignore[arg-type]
        kernel = model.get_layer(models.LOGIT_LAYER).kernel
        kernel.assign(np.full(kernel.shape, np.nan))
        return model

    monkeypatch.setattr(models, "build", broken)
    places = ["--data-dir", photo_folder(40), "--cache-dir", tmp_path / "cache", "--output", tmp_path / "out"]
    pipelines = input_pipelines()
    with not_collecting():
        assert cli.main([*map(str, places), "--model", "baseline", "--img-size", "32", "--epochs", "1"]) == 2
        assert input_pipelines() == pipelines, "the collector is left to end it, in any thread"
    assert "lower the learning rate" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.keras"))


def test_a_photo_that_changes_while_training_ends_it_in_one_line(photo_folder: Folder, tmp_path: Path) -> None:
    photos = splits.load_split(data.open_data_set(photo_folder(40)), "train", 32, tmp_path / "cache")
    Path(photos.stored[3].file).write_bytes(b"no photo")
    with pytest.raises(data.DataError) as raised, fit._errors_of_photos():
        list(batches.in_order(photos, 8))
    assert str(raised.value).startswith(f"{photos.stored[3].name}: ")
    assert str(raised.value).endswith("it has changed since training began")
