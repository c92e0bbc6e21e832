import re
from pathlib import Path

import pytest

from evaluate import criteria
from evaluate.criteria import Criterion


@pytest.mark.parametrize(("figure", "expected"), [(0.989, True), (0.98899, False), (1.0, True)])
def test_a_criterion_holds_at_its_bound(figure: float, expected: bool) -> None:
    assert Criterion("at least", 0.989).holds(figure) == expected


def test_an_upper_bound_holds_at_it_and_below() -> None:
    assert [Criterion("at most", 0.1).holds(figure) for figure in (0.0, 0.1, 0.11)] == [True, True, False]


def test_the_criteria_of_the_shipped_model_cover_all_figures(root: Path) -> None:
    assert tuple(criteria.load(root / "models" / criteria.FILE)) == criteria.NAMES


def test_criteria_survive_evaluation_json(root: Path) -> None:
    required = criteria.load(root / "models" / criteria.FILE)
    assert criteria.of({"criteria": criteria.packed(required)}) == required


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('"accuracy" = { at_least = 1 }', "no figure 'accuracy'"),
        ('"test accuracy" = 1', "needs { at_least = NUMBER }, from 0 to 1"),
        ('"test accuracy" = { at_least = 1, at_most = 1 }', "needs { at_least = NUMBER }, from 0 to 1"),
        ('"test accuracy" = { at_least = "1" }', "needs { at_least = NUMBER }, from 0 to 1"),
        ('"test accuracy" = { at_most = 0.9 }', "needs { at_least = NUMBER }"),
        ('"test accuracy" = { at_least = 95 }', "from 0 to 1$"),
        ('"test accuracy" = { at_least = nan }', "from 0 to 1$"),
        ('"test accuracy" = { at_least = true }', "from 0 to 1$"),
        ('"false-alarm rate" = { at_least = 0.02 }', "needs { at_most = NUMBER }"),
        ('"accuracy drop" = { at_most = 101 }', "from 0 to 100$"),
        ('"test accuracy" {', "is not TOML: Expected"),
        ("caf\xe9 = 1", "is not TOML"),
    ],
)
def test_a_line_that_is_no_criterion_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "criteria.toml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=f"^{re.escape(str(file))}: .*{message}"):
        criteria.load(file)


@pytest.mark.parametrize("photos", [8, 50, 10_000])
def test_defaults_allow_one_photo_of_the_test_split(photos: int) -> None:
    required = criteria.defaults(photos)
    assert required["accuracy drop"].holds(100 / photos)
    assert required["false-alarm rate"].holds(1 / photos)
    assert not required["false-alarm rate"].holds(2 / photos + 0.02)
    assert criteria.defaults(photos, 0.3)["false-alarm rate"].holds(0.3)


@pytest.mark.parametrize(
    ("bound", "photos", "expected"),
    [(0.989, 90, "one of 90 photos is 1.1%"), (0.989, 91, ""), (0.9, 10, ""), (0.9, 9, "of 9"), (0.8, 5, "")],
)
def test_a_criterion_that_one_photo_decides_says_so(bound: float, photos: int, expected: str) -> None:
    note = criteria.resolution("test accuracy", Criterion("at least", bound), photos)
    assert expected in note
    assert bool(note) == bool(expected)
