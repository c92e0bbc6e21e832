"""What is given to cfn-guard, which `make lint-template` runs, is all templates, with nothing left to a condition."""

import json
from pathlib import Path

from tests.stacks import guard


def test_every_template_is_given_with_everything_switched_on(root: Path) -> None:
    given = dict(guard.templates())
    assert given.keys() == {"template.yaml", *(file.name for file in (root / "stacks").glob("*.yaml"))}
    assert "Fn::If" not in json.dumps(given)
    assert given["template.yaml"]["ClassifyBacklogFunction"]["Type"] == "AWS::Lambda::Function"
    assert given["storage.yaml"]["UploadQueue"]["Properties"]["KmsMasterKeyId"] == guard.KEY
