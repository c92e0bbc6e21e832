"""What networks are called wherever people read of them: tables, plots, the notebook."""

from typing import Final

from train import backbones

PHASES: Final = {
    "scratch": "from scratch",
    "frozen": "frozen backbone",
    "fine-tune": "fine-tuned",
    "fine-tune-2": "fine-tuned again",
    "distill": "distilled",
}


def full(model: str) -> str:
    """The name of a network with its width."""
    return {"mobilenetv2": "MobileNetV2 1.0"}.get(model, network(model))


def network(model: str, phase: str | None = None) -> str:
    """The name of a network, such as "MobileNetV2, distilled" at the end of a phase of its training."""
    name = backbones.title(model)
    return name if phase is None else f"{name}, {PHASES.get(phase, phase)}"
