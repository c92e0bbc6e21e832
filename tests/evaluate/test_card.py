"""The card of many labels; that of the shipped model stands beside its figures in test_report.py."""

import json
import re
from pathlib import Path

from evaluate import card, check
from train import metadata


def test_the_card_of_two_hundred_labels_counts_them_and_has_a_row_for_each(root: Path) -> None:
    known = metadata.read(root / "models")
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    labels = [f"label {number}" for number in range(200)]
    known["data"] = {**known["data"], "labels": labels}
    del known["data"]["positive_class"]
    evaluation["test"] |= {"labels": list(range(200)), "predicted": [*range(7), 9, *range(8, 200)]}
    text = card.card(known, evaluation)
    assert text.startswith("# Model card: 200 classes\n")
    assert "The model knows 200 classes. Given anything else, it still answers one of them." in text
    assert "with a softmax over 200 labels" in text
    rows = [line for line in text.splitlines() if line.startswith("| label ")][1:]
    assert len(rows) == 200
    assert rows[0] == "| label 7 | 1 | 0.00% | - | label 9 |"  # the lowest recall first
    assert "| label 9 | 1 | 100.00% | 50.00% |  |" in rows
    assert [word for word in ("P(dog)", "cat or dog", "roc.png") if word in text] == []


def test_labels_are_shown_as_they_are_named(root: Path) -> None:
    known = metadata.read(root / "models")
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    known["data"] = {**known["data"], "labels": ["a|b", "<img src=x>"], "positive_class": "<img src=x>"}
    text = card.card(known, evaluation)
    assert text.startswith("# Model card: a\\|b or \\<img src=x\\>\n")
    assert not re.search(r"(?<!\\)<img src=x", text)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| 0.")} == {6}


def test_an_interval_without_width_is_left_out(root: Path) -> None:
    known = metadata.read(root / "models")
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    evaluation["test"]["metrics"]["auc"], evaluation["test"]["intervals"]["auc"] = 1.0, [1.0, 1.0]
    assert "| test AUC | 1.0000 | at least" in card.card(known, evaluation)


def test_what_was_not_measured_is_said(root: Path) -> None:
    known = metadata.read(root / "models")
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    del evaluation["external"]
    evaluation["uncertainty"]["in_answers"] = False
    known["models"]["mobilenetv2"]["weights"] = "mine.h5"
    text = card.card(known, evaluation)
    assert "Not judged: external accuracy, false-alarm rate, out-of-distribution recall." in text
    assert [
        part for part in ("The external test set", "images that are not `uncertain`", "Apache") if part in text
    ] == []
    assert "The backbone starts from the weights of a file (`mine.h5`)." in text
