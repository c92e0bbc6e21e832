"""What linters of workflows do not know: staging and production get one image, in turn, with an approval between."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def jobs(root: Path) -> dict[str, Any]:
    workflow = yaml.safe_load((root / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = workflow["jobs"]
    return found


def deployment(job: dict[str, Any]) -> dict[str, str]:
    (found,) = (step["with"] for step in job["steps"] if step["uses"].endswith("/deploy-stack"))
    return dict(found)


def test_production_comes_after_staging_with_the_same_image(jobs: dict[str, Any]) -> None:
    staging, production = deployment(jobs["staging"]), deployment(jobs["production"])
    assert jobs["staging"]["needs"] == "build"
    assert jobs["production"]["needs"] == ["build", "staging"]
    assert staging["image"] == production["image"] == "${{ needs.build.outputs.image }}"
    assert staging["stack"] != production["stack"]
    assert production["parameters"].startswith("DeploymentPreference=Canary")
    # Each environment has its reviewers: that is the approval.
    assert (jobs["staging"]["environment"], jobs["production"]["environment"]) == ("staging", "production")


def test_each_job_takes_on_a_role_and_none_stores_a_key(jobs: dict[str, Any], root: Path) -> None:
    for job in jobs.values():
        assert job["permissions"] == {"contents": "read", "id-token": "write"}
    files = [*(root / ".github" / "actions" / "deploy-stack").iterdir(), root / ".github" / "workflows" / "deploy.yml"]
    for file in files:
        assert not re.search(r"secrets\.|aws-access-key-id|aws-secret", file.read_text(encoding="utf-8")), file


def test_the_role_trusts_these_environments_and_the_image_is_deployed_by_its_digest(
    jobs: dict[str, Any], root: Path
) -> None:
    pipeline = (root / "stacks" / "pipeline.yaml").read_text(encoding="utf-8")
    for job in ("staging", "production"):
        assert f":environment:{jobs[job]['environment']}" in pipeline
        assert deployment(jobs[job])["stack"].startswith("cats-vs-dogs")
    action = (root / ".github" / "actions" / "deploy-stack" / "action.yml").read_text(encoding="utf-8")
    push = (root / ".github" / "actions" / "deploy-stack" / "push.sh").read_text(encoding="utf-8")
    assert '"ImageUri=$IMAGE"' in action
    assert 'finish "$REPOSITORY@$(digest)"' in push


def test_the_variables_that_the_workflow_reads_are_what_the_pipeline_prints_and_the_page_says(
    jobs: dict[str, Any], root: Path
) -> None:
    workflow = (root / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8")
    said = (root / "stacks" / "pipeline.yaml").read_text(encoding="utf-8")
    said += (root / "docs" / "deployment.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"vars\.(\w+)", workflow)):
        assert name in said, name
