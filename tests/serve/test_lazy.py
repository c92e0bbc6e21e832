"""In processes of their own: what is imported is the process's."""

import subprocess
import sys
from pathlib import Path


def printed(root: Path, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_postponed_module_is_imported_at_its_first_use(root: Path) -> None:
    code = """
import sys
from serve import lazy
lazy.postpone("colorsys")
import colorsys
print(type(sys.modules["colorsys"]).__name__)
print(colorsys.rgb_to_hsv(1, 0, 0), type(sys.modules["colorsys"]).__name__, colorsys.hsv_to_rgb(0, 1, 1))
"""
    assert printed(root, code).splitlines() == ["LazyModule", "(0.0, 1.0, 1) module (1, 0.0, 0.0)"]


def test_a_name_can_be_imported_from_it(root: Path) -> None:
    code = """
from serve import lazy
lazy.postpone("colorsys")
from colorsys import rgb_to_hsv
print(rgb_to_hsv(1, 0, 0))
"""
    assert printed(root, code) == "(0.0, 1.0, 1)"


def test_a_name_that_the_module_does_not_have_is_an_attribute_error(root: Path) -> None:
    code = """
from serve import lazy
lazy.postpone("colorsys")
import colorsys
print(hasattr(colorsys, "nothing"))
"""
    assert printed(root, code) == "False"


def test_an_imported_module_stays(root: Path) -> None:
    code = """
import colorsys
from serve import lazy
lazy.postpone("colorsys")
import sys
print(sys.modules["colorsys"] is colorsys)
"""
    assert printed(root, code) == "True"
