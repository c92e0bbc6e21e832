"""Reproducible, resumable, and not blind to a loss that is no number."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from train import __main__ as cli
from train import batches, fit, models

Folder = Callable[[int], Path]
Answers = npt.NDArray[np.floating]


def train(folder: Path, output: Path, *flags: str) -> keras.Model:
    """A short run of the real command line on a tiny data set."""
    arguments = ["--data-dir", str(folder), "--output", str(output), "--cache-dir", str(output.parent / "cache")]
    assert cli.main([*arguments, "--img-size", "32", "--batch-size", "8", *flags]) == 0
    return keras.models.load_model(next(output.glob("*.keras")))


def assert_same_weights(one: keras.Model, two: keras.Model) -> None:
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(photo_folder: Folder, tmp_path: Path) -> None:
    folder = photo_folder(40)
    flags = ("--model", "baseline", "--epochs", "2")
    one, two, other = (
        train(folder, tmp_path / name, *flags, "--seed", seed)
        for name, seed in (("one", "7"), ("two", "7"), ("other", "8"))
    )
    assert_same_weights(one, two)
    assert any(not np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def losses(output: Path) -> list[tuple[str, int, float]]:
    (history,) = (output / "history").glob("*.json")
    return [(epoch["phase"], epoch["epoch"], epoch["val_loss"]) for epoch in json.loads(history.read_text())]


@pytest.mark.parametrize(
    ("flags", "phases"),
    [
        (["--model", "baseline", "--epochs", "2"], ["scratch"]),
        (
            ["--weights", "none", "--epochs", "2", "--fine-tune-epochs", "2", "--distill-epochs", "2"],
            ["frozen", "fine-tune", "fine-tune-2", "distill"],
        ),
    ],
    ids=["baseline", "mobilenetv2"],
)
def test_a_run_interrupted_in_every_phase_ends_where_an_uninterrupted_one_does(
    photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], phases: list[str]
) -> None:
    folder = photo_folder(40)
    whole = train(folder, tmp_path / "whole", *flags)

    class Interrupted(BaseException):
        pass

    class Interrupting(fit._Epochs):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            super().on_epoch_end(epoch, logs)
            if epoch == 0:
                raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(fit, "_Epochs", Interrupting)
        for phase in phases:
            with pytest.raises(Interrupted):
                train(folder, tmp_path / "resumed", *flags, "--resume")
            assert fit.Progress.read(next((tmp_path / "resumed" / "runs").iterdir())).history[-1]["phase"] == phase
    resumed = train(folder, tmp_path / "resumed", *flags, "--resume")
    assert_same_weights(whole, resumed)
    assert losses(tmp_path / "whole") == losses(tmp_path / "resumed")


class Taught(NamedTuple):
    """The start of a distillation: the student, the networks that teach it, and the folder with their weights."""

    student: fit.Student
    teachers: tuple[keras.Model, keras.Model]
    run_dir: Path


@pytest.fixture
def taught(tmp_path: Path) -> Taught:
    keras.utils.set_random_seed(1)
    model = models.mobilenetv2(32, "none")
    models.unfreeze(model, 0.9)
    pixels = np.random.default_rng(1).uniform(0, 255, (16, 32, 32, 3)).astype(np.float32)
    for name in fit.TEACHERS:
        for layer in model.layers:  # teachers that differ, and have not the same answer to everything
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense):
                layer.kernel.assign(layer.kernel + 0.1 * keras.random.normal(layer.kernel.shape))
        for _ in range(4):
            model(pixels, training=True)
        fit._bare(model).save_weights(tmp_path / f"{name}.weights.h5")
    student = fit._started(model, fit.Phase("distill", 1, 1e-4), tmp_path)
    one, other = fit._loaded(student, tmp_path)
    student.teachers = fit._teachers(student, tmp_path)
    return Taught(student, (one, other), tmp_path)


def cross_entropy(wanted: Answers, given: Answers) -> float:
    """What Keras calls binary cross-entropy, in nats."""
    return float(-np.mean(wanted * np.log(given) + (1 - wanted) * np.log(1 - given)))


def test_distillation_starts_from_the_mean_of_its_teachers(taught: Taught) -> None:
    one, other = taught.teachers
    assert any(not np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
    weights = (network.get_weights() for network in (taught.student, one, other))
    for mean, a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, rtol=1e-5, atol=1e-6)


def test_teachers_take_turns_and_one_sees_mirror_images(taught: Taught) -> None:
    one, other = taught.teachers
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    answers = [np.asarray(taught.student.teachers(images, step)) for step in range(4)]
    np.testing.assert_allclose(answers[0], one.predict(images), rtol=1e-4)
    np.testing.assert_allclose(answers[1], other.predict(images[:, :, ::-1]), rtol=1e-4)
    np.testing.assert_array_equal(answers[::2][0], answers[::2][1])
    np.testing.assert_array_equal(answers[1::2][0], answers[1::2][1])
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_the_student_learns_the_teachers_answers_and_that_backgrounds_are_undecided(taught: Taught) -> None:
    student = taught.student
    student.compile(optimizer="sgd", loss="binary_crossentropy")
    random = np.random.default_rng(0)
    images, given = random.uniform(0, 255, (6, 32, 32, 3)).astype(np.float32), random.uniform(0.1, 0.9, (6, 1))
    labels = np.array([[0], [1], [0], [1], [batches.BACKGROUND], [batches.BACKGROUND]], np.float32)
    wanted = np.concatenate([np.asarray(student.teachers(images[:4], 0)), labels[4:]])
    while_training = student.compute_loss(images, tf.constant(labels), given.astype(np.float32), training=True)
    assert float(while_training) == pytest.approx(cross_entropy(wanted, given), rel=1e-4)
    # Validation has photos only, and compares with their labels.
    to_labels = student.compute_loss(images[:4], labels[:4], given[:4].astype(np.float32), training=False)
    assert float(to_labels) == pytest.approx(cross_entropy(labels[:4], given[:4]), rel=1e-4)


def test_backgrounds_count_in_no_metric(taught: Taught) -> None:
    student = taught.student
    student.compile(optimizer="sgd", loss="binary_crossentropy", metrics=["accuracy"])
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    right = student.predict(images) >= 0.5
    labels = np.array([right[0, 0], right[1, 0], not right[2, 0], batches.BACKGROUND], np.float32)[:, np.newaxis]
    assert student.evaluate(images, labels, batch_size=4, return_dict=True)["accuracy"] == pytest.approx(2 / 3)


def test_resume_with_other_flags_is_refused(
    photo_folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        "--data-dir",
        str(photo_folder(40)),
        "--cache-dir",
        str(tmp_path / "cache"),
        "--output",
        str(tmp_path / "out"),
    ]
    flags += ["--model", "baseline", "--img-size", "32", "--epochs", "1"]
    assert cli.main(flags) == 0
    assert cli.main([*flags, "--seed", "9", "--resume"]) == 2
    assert "--resume" in capsys.readouterr().err


def test_the_best_epoch_counts_and_waiting_ends(photo_folder: Folder, tmp_path: Path) -> None:
    output = tmp_path / "out"
    # So high a rate makes the loss jump about: some epoch is followed by a worse one, and patience runs out.
    train(
        photo_folder(40), output, "--model", "baseline", "--epochs", "30", "--patience", "2", "--learning-rate", "0.5"
    )
    history = json.loads((output / "history" / "baseline.json").read_text())
    val_losses = [epoch["val_loss"] for epoch in history]
    assert len(val_losses) < 30
    assert int(np.argmin(val_losses)) == len(val_losses) - 3
    progress = fit.Progress.read(output / "runs" / "baseline")
    assert progress.best_loss == min(val_losses)


def test_a_loss_that_is_not_a_number_stops_the_run(
    photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = models.build

    def broken(*args: object) -> keras.Model:
        model = build(*args)  # type: ignore[arg-type]
        kernel = model.get_layer(models.LOGIT_LAYER).kernel
        kernel.assign(np.full(kernel.shape, np.nan))
        return model

    monkeypatch.setattr(models, "build", broken)
    flags = [
        "--data-dir",
        str(photo_folder(40)),
        "--cache-dir",
        str(tmp_path / "cache"),
        "--output",
        str(tmp_path / "out"),
    ]
    assert cli.main([*flags, "--model", "baseline", "--img-size", "32", "--epochs", "1"]) == 2
    assert "lower the learning rate" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.keras"))


def test_tensorboard_logs_are_written_on_request(photo_folder: Folder, tmp_path: Path) -> None:
    train(
        photo_folder(40),
        tmp_path / "out",
        "--model",
        "baseline",
        "--epochs",
        "1",
        "--tensorboard",
        str(tmp_path / "logs"),
    )
    assert {file.parent.name for file in (tmp_path / "logs").rglob("*tfevents*")} == {"train", "validation"}
