"""Answers as lines: columns that align, CSV that a spreadsheet reads, JSON."""

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest

from local.output import Csv, JsonLines, Table, display_width, heat_map, kind, summary
from local.photos import Answered, Item
from serve.errors import UndecodableImageError
from serve.model.classifier import Prediction
from serve.model.model_file import Description
from serve.upload import Photo

MODEL = Description(("cat", "dog"), "dog", "version")


def item(name: str) -> Item:
    return Item(name, lambda _max_bytes: Photo(url="unused"))


def certain(name: str, label: str = "cat", *, uncertain: bool = False) -> Answered:
    return Answered(item(name), Prediction(label, 0.25, uncertain, "version", 0.0, 0.0))


def broken(name: str) -> Answered:
    return Answered(item(name), UndecodableImageError('It is "broken", sorry.'))


def test_columns_align_whatever_characters_names_have() -> None:
    names = ["a.jpg", "\u732b\u306e\u5199\u771f.jpg", "e\u0301te\u0301.jpg"]
    table = Table([item(name) for name in names], MODEL)
    rows = [table.heading(), *(table.line(certain(name), None) for name in names)]
    ends = {display_width(row[: row.index("0.2500" if "0.2500" in row else "P(dog)")]) for row in rows}
    assert len(ends) == 1


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_doubt_and_errors_are_colored_unless_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch, no_color: str, *, colored: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    table = Table([item("a.jpg")], MODEL)
    assert "\x1b" not in table.line(certain("a.jpg"), None)
    assert ("\x1b[33m" in table.line(certain("a.jpg", uncertain=True), None)) is colored
    assert ("\x1b[31m" in table.line(broken("a.jpg"), None)) is colored


def test_a_name_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    row = Table([item("a")], MODEL).line(certain("\x1b[2Ja\n.jpg"), None)
    assert row.startswith("?[2Ja?.jpg")


def test_csv_is_read_back_as_it_was() -> None:
    lines = Csv(MODEL)
    text = "\n".join(
        [lines.heading(), lines.line(certain('a, "b".jpg'), Path("out/cat/a.jpg")), lines.line(broken("c.jpg"), None)]
    )
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["photo"], first["label"], first["probability"]) == ('a, "b".jpg', "cat", "0.25")
    assert (first["uncertain"], first["sorted_to"], first["error"]) == ("False", str(Path("out/cat/a.jpg")), "")
    assert (second["photo"], second["label"], second["error"]) == ("c.jpg", "", 'It is "broken", sorry.')


@pytest.mark.parametrize("name", ["=HYPERLINK(1).jpg", "+x.jpg", "-x.jpg", "@x.jpg"])
def test_a_spreadsheet_does_not_compute_a_name(name: str) -> None:
    lines = Csv(MODEL)
    (row,) = csv.DictReader(io.StringIO("\n".join([lines.heading(), lines.line(certain(name), None)])))
    assert row["photo"] == f"./{name}"


def test_more_than_two_labels_have_a_column_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    model = Description(("a", "b, c", "d"), None, "version")
    prediction = Prediction("d", 0.7, False, "version", 1, 1, {"a": 0.1, "b, c": 0.2, "d": 0.7})
    lines = Csv(model)
    text = "\n".join([lines.heading(), lines.line(Answered(item("x"), prediction), None)])
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["label"], row["P(a)"], row["P(b, c)"], row["P(d)"]) == ("d", "0.1", "0.2", "0.7")
    table = Table([item("x")], model)
    assert table.heading().split() == ["photo", "label", "probability"]
    assert table.line(Answered(item("x"), prediction), None).split() == ["x", "d", "0.7000"]


def test_the_evidence_is_drawn_or_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    prediction = Prediction("cat", 0.1, False, "version", 1, 1, explanation=((-3.0, 0.0, 1.0), (4.0, 2.0, 7.9)))
    answer = Answered(item("x"), prediction)
    assert Table([item("x")], MODEL).line(answer, None).splitlines()[1:] == ["  ····░░", "  ▓▓▒▒██"]
    lines = Csv(MODEL, explain=True)
    (row,) = csv.DictReader(io.StringIO("\n".join([lines.heading(), lines.line(answer, None)])))
    assert json.loads(row["explanation"]) == [[-3, 0, 1], [4, 2, 7.9]]
    assert heat_map(((-1.0, 0.0),)) == ["····"]


def test_json_has_the_answer_or_the_problem() -> None:
    assert json.loads(JsonLines().line(certain("a.jpg"), None)) == {
        "photo": "a.jpg", "label": "cat", "probability": 0.25, "uncertain": False, "model_version": "version",
    }  # fmt: skip
    assert json.loads(JsonLines().line(broken("a.jpg"), None))["error"]["status"] == 422


def test_the_summary_counts_each_photo_once() -> None:
    answers = [certain("a"), certain("b", "dog"), certain("c", uncertain=True), broken("d"), certain("e")]
    assert summary(Counter(map(kind, answers))) == "2 cat, 1 dog, 1 uncertain, 1 unreadable"
