"""The whole stack in moto, every parameter set: what it connects, and its functions' own settings under AWS's emulator.

Moto makes what it can (`emulated_stack.LACKING` lists the rest); a photo goes from the bucket by the queue to the
function, and the result to where the template says. Not emulated by anything here: S3 Batch jobs, deployments by
CodeDeploy, tokens, WAF, CloudFront, DNS, and what IAM and KMS refuse.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.e2e import emulated_stack
from tests.e2e.conftest import Invoke
from tests.e2e.emulated_stack import Deployed
from tests.e2e.test_s3_run import CREDENTIALS, as_record, receive_all
from tests.moto_server import moto_server
from tests.stacks.cloudformation import Template, read
from tests.stacks.conftest import EVERY_PARAMETER, IMAGE
from tests.stacks.translation import by_sam

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def client(aws: str) -> Iterator[Client]:
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    clients: dict[str, Any] = {}

    def make(service: str) -> Any:
        if service not in clients:
            clients[service] = session.client(service, endpoint_url=aws)  # type: ignore[call-overload]
        return clients[service]

    yield make
    for each in clients.values():
        each.close()


@pytest.fixture(scope="module")
def deployed(client: Client, aws: str, root: Path) -> Deployed:
    zone = client("route53").create_hosted_zone(Name="example.org", CallerReference="one")["HostedZone"]["Id"]
    parameters = {**EVERY_PARAMETER, "HostedZoneId": zone.rpartition("/")[2], "S3EndpointUrl": aws}
    (translated,) = by_sam(root / "template.yaml", [parameters])
    nested = {file.stem: read(file) for file in (root / "stacks").glob("*.yaml")}
    done = emulated_stack.deploy(client("cloudformation"), client("lambda"), translated, nested, parameters)
    unplug(client("lambda"), done)
    notify(client("s3"), done, nested["storage"])
    return done


def unplug(functions: Any, done: Deployed) -> None:
    """Note which function reads which queue, and keep moto from running it in a container, of which it has no image."""
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        done.reads[mapping["EventSourceArn"]] = mapping["FunctionArn"].split(":")[6]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def notify(s3: Any, done: Deployed, storage: Template) -> None:
    """Set the bucket's notifications as its template has them: moto's CloudFormation leaves them out."""
    bucket = storage["Resources"]["UploadBucket"]["Properties"]
    configurations = bucket["NotificationConfiguration"]["QueueConfigurations"]
    queues = [
        {"QueueArn": done.outputs[f"Storage.{''.join(each['Queue']['Fn::GetAtt'])}"], "Events": [each["Event"]]}
        for each in configurations
    ]
    s3.put_bucket_notification_configuration(
        Bucket=done.outputs["Storage.UploadBucket"], NotificationConfiguration={"QueueConfigurations": queues}
    )


@pytest.fixture
def start(
    deployed: Deployed, client: Client, start_emulator: Callable[..., Invoke], shipped_model_path: Path
) -> Callable[[str], Invoke]:
    """Starts a function of the stack with the settings that it has there."""

    def started(function: str) -> Invoke:
        found = client("lambda").get_function_configuration(FunctionName=deployed.physical[function], Qualifier="live")
        variables = {key: value for key, value in found["Environment"]["Variables"].items() if value}
        return start_emulator(**CREDENTIALS, **{**variables, "MODEL_PATH": str(shipped_model_path)})

    return started


def test_moto_makes_all_but_what_it_lacks(deployed: Deployed) -> None:
    from moto.cloudformation.parsing import get_model_map  # loads all that moto has: a second in each test process

    assert deployed.lacking == emulated_stack.LACKING
    assert not emulated_stack.LACKING & get_model_map().keys()


def test_a_photo_goes_from_the_bucket_to_its_result(
    deployed: Deployed, client: Client, start: Callable[[str], Invoke], cat_jpeg: bytes
) -> None:
    bucket, results = (deployed.outputs[f"Storage.{name}"] for name in ("UploadBucket", "ResultsBucket"))
    s3, sqs = client("s3"), client("sqs")
    arn = deployed.outputs["Storage.UploadQueueArn"]
    assert deployed.reads == {arn: deployed.physical["ClassifyUploadsFunction"]}
    s3.put_object(Bucket=bucket, Key="a cat+dog/Käse & cat.jpg", Body=cat_jpeg)
    queue = sqs.get_queue_url(QueueName=deployed.outputs["Storage.UploadQueue"])["QueueUrl"]
    records = [as_record(message, arn) for message in receive_all(sqs, queue)]
    assert records
    assert start("ClassifyUploadsFunction")({"Records": records}) == {"batchItemFailures": []}
    stored = s3.get_object(Bucket=results, Key=f"results/{bucket}/a cat+dog/Käse & cat.jpg.json")
    assert json.loads(stored["Body"].read())["label"] == "cat"
    tags = s3.get_object_tagging(Bucket=bucket, Key="a cat+dog/Käse & cat.jpg")["TagSet"]
    assert {"Key": "label", "Value": "cat"} in tags


def test_a_backlog_job_classifies_what_its_manifest_lists(
    deployed: Deployed, client: Client, start: Callable[[str], Invoke], cat_jpeg: bytes
) -> None:
    """As S3 Batch Operations invokes it: one task at a time, with the alias that its role may invoke."""
    s3 = client("s3")
    s3.create_bucket(Bucket="old-photos")
    for key in ("2024/a cat.jpg", "2024/notes.txt"):
        s3.put_object(Bucket="old-photos", Key=key, Body=cat_jpeg if key.endswith("jpg") else b"no photo")
    invoke = start("ClassifyBacklogFunction")
    codes = {}
    for number, line in enumerate(("old-photos,2024/a%20cat.jpg", "old-photos,2024/notes.txt", "old-photos,gone.jpg")):
        name, key = line.split(",")
        task = {"taskId": str(number), "s3BucketArn": f"arn:aws:s3:::{name}", "s3Key": key, "s3VersionId": None}
        event = {"invocationSchemaVersion": "1.0", "invocationId": "one", "job": {"id": "job"}, "tasks": [task]}
        (result,) = invoke(event)["results"]
        codes[key] = result["resultCode"]
    assert codes["2024/a%20cat.jpg"] == "Succeeded"
    assert "Succeeded" not in (codes["2024/notes.txt"], codes["gone.jpg"])
    stored = s3.get_object(
        Bucket=deployed.outputs["Storage.ResultsBucket"], Key="results/old-photos/2024/a cat.jpg.json"
    )
    assert json.loads(stored["Body"].read())["label"] == "cat"
    role = client("iam").get_role_policy(RoleName=deployed.outputs["Batch.RoleArn"].split("/")[1], PolicyName="invoke")
    # moto gives it as Python's text
    assert f"'{deployed.physical['ClassifyBacklogFunctionAliaslive']}'" in str(role["PolicyDocument"])


def test_the_api_answers_with_the_stacks_settings(start: Callable[[str], Invoke], root: Path) -> None:
    event = json.loads((root / "events" / "http_api_upload.json").read_text(encoding="utf-8"))
    answer = start("ClassifyFunction")(event)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["label"] == "cat"
    assert answer["headers"]["access-control-allow-origin"] == EVERY_PARAMETER["CorsAllowOrigin"]


def test_sam_packages_the_nested_templates_and_keeps_the_image_by_its_digest(
    client: Client, aws: str, root: Path, tmp_path: Path
) -> None:
    """As .github/workflows/deploy.yml does, without a build."""
    client("s3").create_bucket(Bucket="templates")
    packaged = tmp_path / "packaged.yaml"
    subprocess.run(
        [
            *(root / ".venv" / "sam" / "bin" / "sam", "package", "--config-env", "workflow"),
            *("--template-file", root / "template.yaml", "--output-template-file", packaged),
            *("--s3-bucket", "templates", "--image-repository", IMAGE.split("@")[0]),
        ],
        cwd=root,
        env={**CREDENTIALS, "AWS_ENDPOINT_URL": aws, "SAM_CLI_TELEMETRY": "0", "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    template = read(packaged)
    images = [each["Properties"].get("ImageUri") for each in template["Resources"].values()]
    assert [image for image in images if image] == [{"Ref": "ImageUri"}] * 3
    urls = [
        each["Properties"]["TemplateURL"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::CloudFormation::Stack"
    ]
    stored = {each["Key"] for each in client("s3").list_objects_v2(Bucket="templates")["Contents"]}
    assert {url.rpartition("/")[2] for url in urls} == stored
