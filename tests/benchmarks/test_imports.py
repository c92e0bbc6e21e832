from benchmarks import imports

TRACE = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |   _io
import time:       200 |        300 | site
import time:        50 |         50 |     json.decoder
import time:        40 |         90 |   json
import time:      1000 |       1000 |     numpy.core
import time:       500 |       1500 |   numpy
import time:        30 |         30 |     datetime
import time:      2000 |       3620 | serve.app
some other line on standard error
import time:       700 |        700 | http.client
"""


def test_imports_are_counted_by_who_brings_them() -> None:
    found = imports.by_package(TRACE)
    assert found["numpy"] == {"modules": 2, "ms": 1.5, "standard_modules": 0, "standard_ms": 0.0}
    assert found["serve"]["modules"] == 1
    assert found["serve"]["standard_modules"] == 3
    assert round(found["serve"]["standard_ms"], 6) == 0.12
    assert found["python"]["standard_modules"] == 2
    assert found[imports.ON_DEMAND] == {"modules": 0, "ms": 0.0, "standard_modules": 1, "standard_ms": 0.7}


def test_every_module_is_counted_once() -> None:
    total = sum(one["modules"] + one["standard_modules"] for one in imports.by_package(TRACE).values())
    assert total == TRACE.count("|") // 2 - 1


def test_the_table_shows_packages_of_a_millisecond_and_counts_all() -> None:
    lines = imports.table({"url": imports.by_package(TRACE), "s3": {}}).splitlines()
    assert [line.split("`")[1] for line in lines[2:-1]] == ["serve", "numpy"]
    assert lines[3] == "| `numpy` | 2 modules, 1.5 ms | - |  |"
    assert lines[-1] == "| all | 9 modules | 0 modules |  |"
