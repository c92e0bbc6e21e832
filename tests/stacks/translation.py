"""SAM's own translator, as it runs in AWS."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.stacks.cloudformation import Template

# Runs where SAM is installed, which pins much that the tests' own environment has newer.
_PROGRAM = """
import json, sys
from boto3.session import Session
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

file, sets = sys.argv[1], json.load(sys.stdin)
translator = lambda: Translator(None, Parser(), boto_session=Session(region_name="us-east-1"))
json.dump([translator().translate(yaml_parse(open(file).read()), values, {}) for values in sets], sys.stdout)
"""


def by_sam(file: Path, sets: list[dict[str, str]]) -> list[Template]:
    """What SAM makes of a template, for each set of parameters."""
    python = ROOT / ".venv" / "sam" / "bin" / "python"
    assert python.exists(), "needs .venv/sam, which `make test` makes"
    done = subprocess.run(
        [python, "-c", _PROGRAM, file],
        input=json.dumps(sets),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found
