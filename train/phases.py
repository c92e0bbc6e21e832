"""The phases of a training run: what is trained in each, for how long and how fast."""

import argparse
import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from train.backbones import BASELINE

PhaseName = Literal["scratch", "frozen", "fine-tune", "fine-tune-2", "distill"]
TEACHERS: Final[tuple[PhaseName, ...]] = ("fine-tune", "fine-tune-2")


@dataclass(frozen=True)
class Phase:
    """One phase of training.

    Attributes:
        name: "scratch" trains every layer of a new network. "frozen" trains the head on a frozen backbone.
            "fine-tune" trains every layer of the network that "frozen" left. "fine-tune-2" repeats that with other
            crops in another order. "distill" starts from the average of both fine-tuned networks' weights (a model
            soup; Wortsman et al. 2022, arXiv:2203.05482). Its targets are their answers in place of the labels (Beyer
            et al. 2022, arXiv:2106.05237), and 1/2 for backgrounds.
        epochs: the most epochs.
        learning_rate: the peak. The rate rises over the first twentieth of the steps and falls to zero along a cosine.
        patience: epochs below the highest validation accuracy so far that end the phase, unless its last one counts.
        weight_decay: of AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
        label_smoothing: moves the targets 0 and 1 towards 1/2.
        batch_norm_momentum: of the moving averages, while fine-tuning.
    """

    name: PhaseName
    epochs: int
    learning_rate: float
    patience: int = 5
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    batch_norm_momentum: float = 0.98

    @property
    def keeps_last(self) -> bool:
        """Whether the last epoch counts, and not the most accurate: answers as targets do not make a network overfit.

        The most accurate epoch of a distillation is chosen by chance, and often an early one, of a high rate.
        """
        return self.name == "distill"

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0, of a phase of so many."""
        warmup = steps // 20
        if step < warmup:
            return self.learning_rate * (0.01 + 0.99 * step / warmup)
        return self.learning_rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def phases(args: argparse.Namespace) -> list[Phase]:
    """The phases that the flags of `python -m train` ask for.

    Raises:
        ValueError: there would be no network to distill.
    """
    if args.model == BASELINE:
        return [Phase("scratch", args.epochs or 12, args.learning_rate, args.patience)]
    fine_tune_epochs, distill_epochs = _epochs(args)
    frozen = Phase("frozen", args.epochs or 3, args.learning_rate, args.patience)
    tuned = Phase(
        "fine-tune", fine_tune_epochs, args.fine_tune_learning_rate, args.patience,
        label_smoothing=args.label_smoothing, batch_norm_momentum=args.batch_norm_momentum,
    )  # fmt: skip
    if not fine_tune_epochs:
        if args.distill_epochs:
            raise ValueError("--distill-epochs distills fine-tuned networks: name --fine-tune-epochs, too")
        return [frozen]
    if not distill_epochs:
        return [frozen, tuned]
    distilled = replace(
        tuned, name="distill", epochs=distill_epochs, learning_rate=args.distill_learning_rate, label_smoothing=0.0
    )
    return [frozen, tuned, replace(tuned, name="fine-tune-2"), distilled]


def _epochs(args: argparse.Namespace) -> tuple[int, int]:
    """Epochs of fine-tuning and distillation. A count for one phase disables later ones without a count of theirs."""
    fine_tune, distill = args.fine_tune_epochs, args.distill_epochs
    if distill is None:
        distill = 0 if args.epochs or fine_tune is not None else 6
    if fine_tune is None:
        fine_tune = 0 if args.epochs else 8
    return fine_tune, distill
