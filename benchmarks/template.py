"""The settings of template.yaml that limit the load."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.environments import ROOT


@dataclass(frozen=True)
class Settings:
    """Settings of template.yaml, or others to try in their place."""

    api_concurrency: int
    throttle_rate: int
    throttle_burst: int
    api_memory_mb: int
    uploads_concurrency: int
    uploads_memory_mb: int
    batch_size: int
    window_s: int
    visibility_s: int
    receives: int


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's own tags as plain values: !Ref X is "X"."""


def _plain(loader: Any, _: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    construct = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return construct(node, deep=True)


_Loader.add_multi_constructor("!", _plain)


def settings(folder: Path = ROOT) -> Settings:
    """The settings of template.yaml and its queue, with every parameter at its default."""
    loaded = _read(folder / "template.yaml")
    parameters = {name: each["Default"] for name, each in loaded["Parameters"].items()}
    resources = {name: each.get("Properties", {}) for name, each in loaded["Resources"].items()}
    event = resources["ClassifyUploadsFunction"]["Events"]["Uploads"]["Properties"]
    queue = _read(folder / "stacks" / "storage.yaml")["Resources"]["UploadQueue"]["Properties"]
    return Settings(
        api_concurrency=parameters["ApiConcurrency"],
        throttle_rate=parameters["ApiThrottleRate"],
        throttle_burst=parameters["ApiThrottleBurst"],
        api_memory_mb=resources["ClassifyFunction"]["MemorySize"],
        uploads_concurrency=parameters[event["ScalingConfig"]["MaximumConcurrency"]],
        uploads_memory_mb=resources["ClassifyUploadsFunction"]["MemorySize"],
        batch_size=event["BatchSize"],
        window_s=event["MaximumBatchingWindowInSeconds"],
        visibility_s=queue["VisibilityTimeout"],
        receives=queue["RedrivePolicy"]["maxReceiveCount"],
    )


def _read(file: Path) -> Any:
    return yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  (a SafeLoader)
