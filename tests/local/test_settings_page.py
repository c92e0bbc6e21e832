"""docs/settings.md is what the code gives."""

import re

from local import settings_page
from serve.settings import Settings, described
from tests.conftest import ROOT


def test_the_page_is_what_the_code_gives() -> None:
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page()


def test_each_setting_has_its_default_as_its_variable_takes_it() -> None:
    listed = dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", settings_page.page(), re.MULTILINE))
    assert set(listed) == {name.upper() for name, _default, _about in described()}
    assert Settings.from_env({**listed, "MODEL_PATH": str(ROOT / listed["MODEL_PATH"])}) == Settings()


def test_each_meaning_is_a_sentence_that_a_table_can_hold() -> None:
    for _name, _default, about in described():
        assert about.meaning.endswith(".")
        assert not set(about.meaning) & set("|\n")
