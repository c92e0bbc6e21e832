import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import page_cache

READ = """
import pathlib, resource, sys
before = resource.getrusage(resource.RUSAGE_SELF).ru_inblock
pathlib.Path(sys.argv[1]).read_bytes()
print(resource.getrusage(resource.RUSAGE_SELF).ru_inblock - before)
"""


def blocks_read(path: Path) -> int:
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_dropped_files_are_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the whole cache may not be dropped, as in most containers."""
    monkeypatch.setattr(page_cache, "DROP_CACHES", tmp_path / "no-such-folder" / "drop_caches")
    file = tmp_path / "folder" / "file"
    file.parent.mkdir()
    file.write_bytes(os.urandom(1_000_000))
    page_cache.drop([tmp_path])
    assert blocks_read(file) * 512 >= 1_000_000
    assert blocks_read(file) == 0
