"""A run that is interrupted anywhere ends where an uninterrupted one does."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.train.conftest import Train
from train import fit
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


@pytest.mark.parametrize(
    ("flags", "phases"),
    [
        (["--model", "baseline", "--epochs", "2"], ["scratch"]),
        (
            ["--weights", "none", "--epochs", "2", "--fine-tune-epochs", "2", "--distill-epochs", "2"],
            ["frozen", "fine-tune", "fine-tune-2", "distill"],
        ),
    ],
    ids=["baseline", "transfer"],
)
def test_a_run_interrupted_in_every_phase_ends_where_an_uninterrupted_one_does(
    tiny: None,
    photo_folder: Folder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    train: Train,
    flags: list[str],
    phases: list[str],
) -> None:
    folder = photo_folder(40)
    whole = train(folder, tmp_path / "whole", *flags)
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_Epochs", Interrupting)
        for phase in phases:
            with pytest.raises(Interrupted):
                train(folder, tmp_path / "resumed", *flags, "--resume")
            assert Progress.read(next((tmp_path / "resumed" / "state").iterdir())).history[-1]["phase"] == phase
    resumed = train(folder, tmp_path / "resumed", *flags, "--resume")
    assert_same_weights(whole, resumed)
    assert losses(tmp_path / "whole") == losses(tmp_path / "resumed")
