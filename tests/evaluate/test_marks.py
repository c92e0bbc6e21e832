import pytest

from evaluate import marks


def test_text_around_the_marks_stays_as_it_is() -> None:
    once = marks.replaced("before\n<1>\nold\n<2>\nafter\n", "<1>", "<2>", "new")
    assert once == "before\n<1>\nnew\n<2>\nafter\n"
    assert marks.replaced(once, "<1>", "<2>", "new") == once


@pytest.mark.parametrize("text", ["", "<1>", "<2>", "<2>\n<1>"])
def test_a_missing_mark_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="are missing"):
        marks.replaced(text, "<1>", "<2>", "new")
