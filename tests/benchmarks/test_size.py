"""The size section, on made-up folders, and against the Dockerfile that it reads."""

from pathlib import Path

import pytest

from benchmarks import environments, size
from benchmarks.environments import Contender
from benchmarks.size import MB

FILES = {
    "numpy/core.py": 3,
    "numpy/f2py/main.py": 1,
    "numpy/random/tests/test_a.py": 1,
    "numpy.libs/libblas.so": 4,
    "PIL/Image.py": 1,
    "pillow.libs/libjpeg.so": 1,
    "ai_edge_litert/libLiteRt.so": 5,
    "ai_edge_litert/tools/big": 8,
    "botocore/data/s3/service.json": 1,
    "botocore/data/ec2/service.json": 2,
    "botocore/data/endpoints.json": 1,
    "botocore/session.py": 1,
    "six.py": 1,
    "pip/main.py": 9,
    "setuptools/main.py": 9,
    "awslambdaric/bootstrap.py": 2,
}
DIST_INFO = "awslambdaric-4.2.2.dist-info"


@pytest.fixture
def contender(tmp_path: Path) -> Contender:
    """Another's, with the environment above, in MB, a model of 3 MB and code of 1 MB."""
    site_packages = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    for name, megabytes in FILES.items():
        write(site_packages / name, megabytes)
    (site_packages / DIST_INFO).mkdir()
    (site_packages / DIST_INFO / "METADATA").write_text("Metadata-Version: 2.1\nName: awslambdaric\nVersion: 4.2.2\n")
    (site_packages / DIST_INFO / "RECORD").write_text(
        f"awslambdaric/bootstrap.py,,\n{DIST_INFO}/METADATA,,\n{DIST_INFO}/RECORD,,\n"
    )
    write(tmp_path / "code" / "handler.py", 1)
    write(tmp_path / "model.tflite", 3)
    environ = {"MODEL_PATH": str(tmp_path / "model.tflite")}
    return Contender("other", "another", tmp_path / "venv" / "bin" / "python", tmp_path / "code", environ)


def write(path: Path, megabytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(megabytes * MB))


def test_files_are_counted_by_part(contender: Contender) -> None:
    found = size.run([contender])["other"]["installed"]
    assert {part: each["mb"] for part, each in found["parts"].items()} == {
        "NumPy": 9,
        "Pillow": 2,
        "runtime": 13,
        "boto3 and botocore": 5,
        size.REST: 3,
        size.MODEL: 3,
        size.CODE: 1,
    }
    assert found["parts"]["NumPy"]["files"] == 4
    assert found["total_mb"] == sum(FILES.values()) - 9 - 9 + 3 + 1


def test_links_are_not_counted(contender: Contender) -> None:
    before = size.run([contender])
    (contender.site_packages / "numpy" / "link.py").symlink_to(contender.site_packages / "numpy" / "core.py")
    assert size.run([contender]) == before


def in_the_image(contender: Contender, root: Path, folder: Path, *, client_in_base: bool) -> set[str]:
    kept = size.image_files(contender.site_packages, root / "Dockerfile.lambda", folder, client_in_base=client_in_base)
    return {str(path.relative_to(folder)) for files in kept.values() for path in files}


def test_the_image_lacks_what_the_dockerfile_removes(contender: Contender, root: Path, tmp_path: Path) -> None:
    assert in_the_image(contender, root, tmp_path / "copy", client_in_base=True) == {
        "numpy/core.py",
        "numpy.libs/libblas.so",
        "PIL/Image.py",
        "pillow.libs/libjpeg.so",
        "ai_edge_litert/libLiteRt.so",
        "botocore/data/s3/service.json",
        "botocore/data/endpoints.json",
        "botocore/session.py",
        "six.py",
    }
    assert (contender.site_packages / "numpy" / "f2py" / "main.py").is_file()  # only the copy lacks it


def test_an_image_whose_base_has_no_runtime_client_carries_it(contender: Contender, root: Path, tmp_path: Path) -> None:
    kept = in_the_image(contender, root, tmp_path / "copy", client_in_base=False)
    assert {"awslambdaric/bootstrap.py", f"{DIST_INFO}/METADATA"} <= kept


def test_a_dockerfile_that_removes_elsewhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM scratch\nRUN find . -delete\n")
    with pytest.raises(ValueError, match="change it there"):
        size.image_files(tmp_path / "packages", tmp_path / "Dockerfile", tmp_path / "copy", client_in_base=True)


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ("numpy.libs", "NumPy"),
        ("numpy-2.4.6.dist-info", "NumPy"),
        ("pillow.libs", "Pillow"),
        ("tensorflow_cpu-2.21.0.dist-info", "runtime"),
        ("s3transfer", "boto3 and botocore"),
        ("numpydoc", size.REST),
    ],
)
def test_a_part_is_known_by_the_whole_name(entry: str, part: str) -> None:
    assert size.part_of(entry) == part


def test_our_code_is_the_entry_point_and_serve() -> None:
    names = {path.relative_to(environments.ROOT).parts[0] for path in size.code_files(environments.ROOT)}
    assert names == {"lambda_function.py", "serve"}


def test_the_table_has_a_line_for_each_contender(contender: Contender) -> None:
    line = next(line for line in size.markdown(size.run([contender])).splitlines() if "another" in line)
    assert line.startswith("| another | 36 | 18 | 9.0 | 2.0 | 13.0 |")


def test_the_plot_is_written(contender: Contender, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: it is in the dev environment")
    size.plot(size.run([contender]), tmp_path / "size.png")
    assert (tmp_path / "size.png").read_bytes().startswith(b"\x89PNG")
