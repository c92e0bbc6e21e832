"""Reproducible, resumable, and not blind to a loss that is no number."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from train import __main__ as cli
from train import fit, models

Folder = Callable[[int], Path]


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


@pytest.mark.parametrize("interrupted_in", ["scratch", "fine-tune", "fine-tune-2", "distill"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted_in: str
) -> None:
    folder = photo_folder(40)
    flags = ["--model", "baseline", "--epochs", "2"]
    if interrupted_in != "scratch":
        flags = ["--weights", "none", "--epochs", "1", "--fine-tune-epochs", "2"]
    if interrupted_in in ("fine-tune-2", "distill"):
        flags += ["--distill-epochs", "2"]
    whole = train(folder, tmp_path / "whole", *flags)

    class Interrupted(BaseException):
        pass

    class Interrupting(fit._Epochs):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            super().on_epoch_end(epoch, logs)
            if self._phase.name == interrupted_in and epoch == 0:
                raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(fit, "_Epochs", Interrupting)
        with pytest.raises(Interrupted):
            train(folder, tmp_path / "resumed", *flags)
    resumed = train(folder, tmp_path / "resumed", *flags, "--resume")
    assert_same_weights(whole, resumed)
    assert losses(tmp_path / "whole") == losses(tmp_path / "resumed")


def test_distillation_starts_from_the_mean_of_its_teachers_and_learns_their_answers(
    photo_folder: Folder, tmp_path: Path
) -> None:
    folder, output = photo_folder(40), tmp_path / "out"
    flags = ("--weights", "none", "--epochs", "1", "--fine-tune-epochs", "1", "--distill-epochs", "1")
    model = train(folder, output, *flags)
    taught = fit._started(model, fit.Phase("distill", 1, 1e-4), output / "runs" / "mobilenetv2")
    one, two = fit._loaded(model, output / "runs" / "mobilenetv2")
    assert any(not np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))
    for mean, a, b in zip(taught.get_weights(), one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, rtol=1e-5, atol=1e-6)
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    logits = [np.log(p / (1 - p)) for p in (one.predict(images), two.predict(images[:, :, ::-1]))]
    answers = fit._teachers(taught, output / "runs" / "mobilenetv2")(images)
    np.testing.assert_allclose(answers, 1 / (1 + np.exp(-(logits[0] + logits[1]) / 2)), rtol=1e-4)
    taught.teachers = lambda _images: answers
    given = taught.predict(images)
    wanted = np.asarray(answers)
    to_teachers = -np.mean(wanted * np.log(given) + (1 - wanted) * np.log(1 - given))
    labels = np.zeros((4, 1), np.float32)
    taught.compile(loss="binary_crossentropy")
    assert float(taught.compute_loss(images, labels, given, training=True)) == pytest.approx(to_teachers, rel=1e-4)
    to_labels = -np.mean(np.log(1 - given))
    assert float(taught.compute_loss(images, labels, given, training=False)) == pytest.approx(to_labels, rel=1e-4)


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
