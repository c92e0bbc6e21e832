import pytest

from train import __main__ as cli
from train import phases


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], [("frozen", 3), ("fine-tune", 8), ("fine-tune-2", 8), ("distill", 6)]),
        (["--distill-epochs", "0"], [("frozen", 3), ("fine-tune", 8)]),
        (["--fine-tune-epochs", "4"], [("frozen", 3), ("fine-tune", 4)]),
        (
            ["--epochs", "1", "--fine-tune-epochs", "2", "--distill-epochs", "3"],
            [("frozen", 1), ("fine-tune", 2), ("fine-tune-2", 2), ("distill", 3)],
        ),
        (["--epochs", "1", "--img-size", "160", "--batch-size", "8"], [("frozen", 1)]),
        (["--epochs", "2", "--fine-tune-epochs", "4"], [("frozen", 2), ("fine-tune", 4)]),
        (["--fine-tune-epochs", "0"], [("frozen", 3)]),
        (["--model", "baseline"], [("scratch", 12)]),
    ],
)
def test_the_flags_say_what_is_trained_and_for_how_long(flags: list[str], expected: list[tuple[str, int]]) -> None:
    assert [(phase.name, phase.epochs) for phase in phases.phases(cli.parser().parse_args(flags))] == expected


@pytest.mark.parametrize(
    "flags",
    [
        ["--epochs", "0"],
        ["--img-size", "100"],
        ["--img-size", "large"],
        ["--label-smoothing", "nan"],
        ["--batch-norm-momentum", "-3"],
        ["--learning-rate", "2"],
        ["--batch-size", "x"],
        ["--model", "resnet"],
        ["--seed", "-1"],
        ["--backbone", "mobilenetv3-small", "--model", "baseline"],
    ],
)
def test_a_flag_that_cannot_be_used_is_named(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parser().parse_args(flags)
    printed = capsys.readouterr().err
    assert flags[0] in printed
    assert "_" not in printed.split("error: ")[1]


@pytest.mark.parametrize("flags", [["--epochs", "1"], ["--fine-tune-epochs", "0"]])
def test_what_cannot_be_distilled_is_said(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([*flags, "--distill-epochs", "2"])
    assert "--distill-epochs distills fine-tuned networks: name --fine-tune-epochs, too" in capsys.readouterr().err
