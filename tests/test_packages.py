"""A wheel of the project holds every file of its rooms."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.conftest import ROOT

ROOMS = ("serve", "local", "train", "convert", "evaluate")


def test_a_wheel_holds_every_file_of_the_rooms(tmp_path: Path) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "lambda_function.py", *ROOMS]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    files = [name for name in files if (ROOT / name).is_file()]
    source = tmp_path / "source"
    for name in [*files, "pyproject.toml", "README.md", "LICENSE"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == set(files)
