"""A run that is interrupted anywhere ends where an uninterrupted one does."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.train.conftest import Train
from train import __main__ as cli
from train import fit, progress
from train.progress import Progress

Folder = Callable[[int], Path]

pytestmark = pytest.mark.training


def assert_same_weights(one: keras.Model, two: keras.Model) -> None:
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def losses(output: Path) -> list[tuple[str, int, float]]:
    (history,) = (output / "history").glob("*.json")
    return [(epoch["phase"], epoch["epoch"], epoch["val_loss"]) for epoch in json.loads(history.read_text())]


class Interrupted(BaseException):
    pass


class Interrupting(fit._Epochs):
    """Ends the run after the first epoch of a phase."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        if epoch == 0:
            raise Interrupted


def test_a_run_interrupted_in_every_phase_ends_where_an_uninterrupted_one_does(
    tiny: None, photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """On imbalanced photos, which weigh differently, and are warned of."""
    flags = ["--weights", "none", "--epochs", "2", "--fine-tune-epochs", "2", "--distill-epochs", "2"]
    phases = ["frozen", "fine-tune", "fine-tune-2", "distill"]
    folder = photo_folder(40)
    for file in sorted((folder / "dog").iterdir())[10:]:
        file.unlink()
    whole = train(folder, tmp_path / "whole", *flags)
    assert "warning: the training photos are imbalanced (32 of cat, 8 of dog)" in capsys.readouterr().out
    assert list(dict.fromkeys(phase for phase, _, _ in losses(tmp_path / "whole"))) == phases
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_Epochs", Interrupting)
        for phase in phases:
            with pytest.raises(Interrupted):
                train(folder, tmp_path / "resumed", *flags, "--resume")
            assert Progress.read(next((tmp_path / "resumed" / "state").iterdir())).history[-1]["phase"] == phase
    resumed = train(folder, tmp_path / "resumed", *flags, "--resume")
    assert_same_weights(whole, resumed)
    assert losses(tmp_path / "whole") == losses(tmp_path / "resumed")


class InterruptedInEachEpoch(fit._Epochs):
    """Gets a signal in the third step after every start."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if batch == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            assert self._interrupted.wait(10)
        super().on_train_batch_end(batch, logs)


def test_a_run_interrupted_within_an_epoch_goes_on_from_that_step(
    tiny: None, photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, output = photo_folder(40), tmp_path / "resumed"
    flags = ["--weights", "none", "--epochs", "1", "--fine-tune-epochs", "1", "--distill-epochs", "0"]
    whole = train(folder, tmp_path / "whole", *flags)
    places = ["--data-dir", str(folder), "--output", str(output), "--cache-dir", str(tmp_path / "cache")]
    command = [*places, "--img-size", "32", "--batch-size", "8", *flags, "--resume"]
    steps = []
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_Epochs", InterruptedInEachEpoch)
        for _ in range(4):
            assert cli.main(command) == 130
            state = Progress.read(output / "state" / "mobilenetv2")
            steps.append((state.phase, state.step))
    assert steps == [(0, 3), (0, 6), (1, 3), (1, 6)]
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted; continue with the same command and --resume"
    assert_same_weights(whole, train(folder, output, *flags, "--resume"))
    assert losses(tmp_path / "whole") == losses(output)


def test_the_state_is_saved_every_so_many_steps(
    photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Train
) -> None:
    saved = []
    save = progress.save

    def recorded(model: keras.Model, state: Progress, folder: Path) -> None:
        saved.append((state.epoch, state.step))
        save(model, state, folder)

    monkeypatch.setattr(progress, "save", recorded)
    train(photo_folder(40), tmp_path / "out", "--model", "baseline", "--epochs", "2", "--checkpoint-steps", "3")
    assert saved == [(0, 3), (0, 6), (1, 0), (1, 3), (1, 6), (2, 0), (2, 0)]
