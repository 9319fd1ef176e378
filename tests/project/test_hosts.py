"""The stacks for hosts, as far as they can be checked without the hosts.

Nothing is deployed. The templates of AWS are checked and compared, and the function is run from its
package. The services of compose.yaml that are ours run as they stand there, without a container;
the steps of a Dockerfile are run one by one in a folder.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import gunicorn  # type: ignore[import-untyped] # it says no types
import pytest
import requests
import yaml  # type: ignore[import-untyped]

from iterable_destination import PostgresOutbox
from iterable_destination.testing import LocalIterable
from tests.project.test_docs import PAGES, environment
from tests.project.test_examples import (
    EVENT,
    EXAMPLES,
    PROFILE,
    REFUSED,
    ROOT,
    VARIABLES,
    has_both,
    posted,
    records_of_sqs,
    signed,
    text,
)
from tests.support.delivering import wait_until
from tests.support.postgres import PASSWORD, Cluster

SAM = EXAMPLES / "aws_sam" / "template.yaml"
TERRAFORM = EXAMPLES / "aws_terraform" / "main.tf"
COMPOSE = EXAMPLES / "compose"


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skip a test where packages of the group of examples are not installed."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{missing} are of the group of examples")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


NEEDS_GUNICORN_27 = pytest.mark.skipif(
    gunicorn.version_info < (27,), reason="older ones have no control socket, and no such option"
)


# --- AWS: one stack in two languages


class CloudFormation(yaml.SafeLoader):  # type: ignore[misc]
    """Reads YAML with the short forms of CloudFormation's functions: ``!Ref Queue``."""


def read_function(loader: CloudFormation, name: str, node: yaml.Node) -> Any:
    given = (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node)
    )
    return {name: given}


CloudFormation.add_multi_constructor("!", read_function)
TEMPLATE = yaml.load(SAM.read_text("utf-8"), CloudFormation)  # noqa: S506 - it is a SafeLoader
RESOURCES = TEMPLATE["Resources"]


def properties(name: str) -> Any:
    return RESOURCES[name]["Properties"]


def read_sam() -> dict[str, Any]:
    """Return what both templates must have in common, of that for SAM."""
    function, queue, dead = map(properties, ("Function", "Queue", "DeadLetterQueue"))
    source = function["Events"]["Queue"]["Properties"]
    [allowed] = properties("FunctionRole")["Policies"]
    alarms = [each for each in RESOURCES.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    return {
        "function": [
            function[name] for name in ("Handler", "Runtime", "Timeout", "MemorySize", "CodeUri")
        ],
        "architectures": function["Architectures"],
        "variables": sorted(function["Environment"]["Variables"]),
        "batches": [source["BatchSize"], source["MaximumBatchingWindowInSeconds"]],
        "at once": source["ScalingConfig"]["MaximumConcurrency"],
        "responses": source["FunctionResponseTypes"],
        "queue": [queue["VisibilityTimeout"], queue["MessageRetentionPeriod"]],
        "receives": queue["RedrivePolicy"]["maxReceiveCount"],
        "dead": dead["MessageRetentionPeriod"],
        "encrypted": [queue["SqsManagedSseEnabled"], dead["SqsManagedSseEnabled"]],
        "types": properties("Rule")["EventPattern"]["detail"]["type"],
        "log": properties("LogGroup")["RetentionInDays"],
        "actions": [as_list(each["Action"]) for each in allowed["PolicyDocument"]["Statement"]],
        "alarms": [
            [
                each["Properties"][name]
                for name in (
                    *("AlarmDescription", "Namespace", "MetricName", "Statistic", "Period"),
                    *("EvaluationPeriods", "Threshold", "ComparisonOperator", "TreatMissingData"),
                )
            ]
            for each in alarms
        ],
    }


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def plain(value: Any) -> Any:
    """Return what python-hcl2 gives without the quotes of texts."""
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.strip('"') if isinstance(value, str) else value


def read_terraform() -> dict[str, Any]:
    """Return what both templates must have in common, of that for Terraform."""
    hcl2 = pytest.importorskip("hcl2")
    with TERRAFORM.open(encoding="utf-8") as file:
        parsed = plain(hcl2.load(file))
    found = {
        (kind, name): body
        for each in (*parsed["resource"], *parsed["data"])
        for kind, named in each.items()
        for name, body in named.items()
    }
    function, queue, dead = (
        found[each]
        for each in (
            ("aws_lambda_function", "deliver"),
            ("aws_sqs_queue", "events"),
            ("aws_sqs_queue", "dead"),
        )
    )
    source = found["aws_lambda_event_source_mapping", "queue"]
    [package] = [each["package"] for each in parsed["variable"] if "package" in each]
    pattern = found["aws_cloudwatch_event_rule", "segment"]["event_pattern"]
    alarms = [body for (kind, _), body in found.items() if kind == "aws_cloudwatch_metric_alarm"]
    return {
        "function": [
            *(function[name] for name in ("handler", "runtime", "timeout", "memory_size")),
            package["default"],
        ],
        "architectures": function["architectures"],
        "variables": sorted(
            name for name in function["environment"][0]["variables"] if name.isupper()
        ),
        "batches": [source["batch_size"], source["maximum_batching_window_in_seconds"]],
        "at once": source["scaling_config"][0]["maximum_concurrency"],
        "responses": source["function_response_types"],
        "queue": [queue["visibility_timeout_seconds"], queue["message_retention_seconds"]],
        "receives": int(re.findall(r"maxReceiveCount *= *(\d+)", queue["redrive_policy"])[0]),
        "dead": dead["message_retention_seconds"],
        "encrypted": [queue["sqs_managed_sse_enabled"], dead["sqs_managed_sse_enabled"]],
        "types": re.findall(r'"(\w+)"', pattern),
        "log": found["aws_cloudwatch_log_group", "function"]["retention_in_days"],
        "actions": [
            each["actions"] for each in found["aws_iam_policy_document", "function"]["statement"]
        ],
        "alarms": [
            [
                each[name]
                for name in (
                    *("alarm_description", "namespace", "metric_name", "statistic", "period"),
                    *("evaluation_periods", "threshold", "comparison_operator"),
                    "treat_missing_data",
                )
            ]
            for each in alarms
        ],
    }


@pytest.mark.slow
@needs("hcl2")
def test_both_templates_are_of_one_stack() -> None:
    assert read_terraform() == read_sam()


def test_the_template_keeps_what_the_page_says_of_the_queue() -> None:
    stack = read_sam()
    page = PAGES["howto/aws-lambda.md"]
    _, _, timeout, memory, _ = stack["function"]
    hidden, kept = stack["queue"]
    assert hidden >= 6 * timeout
    assert stack["responses"] == ["ReportBatchItemFailures"]
    assert stack["encrypted"] == [True, True]
    assert stack["dead"] == 14 * 24 * 3600 > kept
    for said in (
        f"--timeout {timeout} --memory-size {memory}",
        "--batch-size {} --maximum-batching-window-in-seconds {}".format(*stack["batches"]),
        f"--scaling-config MaximumConcurrency={stack['at once']}",
        f'"VisibilityTimeout": "{hidden}", "MessageRetentionPeriod": "{kept}"',
        f'\\"maxReceiveCount\\": \\"{stack["receives"]}\\"',
        json.dumps({"detail": {"type": stack["types"]}})[1:-1],
    ):
        assert said in page


def test_alarms_watch_the_dead_letters_and_the_age_of_the_oldest_message() -> None:
    alarms = [
        each["Properties"]
        for each in RESOURCES.values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    ]
    assert {each["MetricName"]: each["Dimensions"][0]["Value"] for each in alarms} == {
        "ApproximateNumberOfMessagesVisible": {"GetAtt": "DeadLetterQueue.QueueName"},
        "ApproximateAgeOfOldestMessage": {"GetAtt": "Queue.QueueName"},
        "Errors": {"Ref": "Function"},
    }
    assert all(each["AlarmActions"] == [{"Ref": "AlarmTopicArn"}] for each in alarms)
    dead = properties("Queue")["RedrivePolicy"]["deadLetterTargetArn"]
    assert dead == {"GetAtt": "DeadLetterQueue.Arn"}


def test_the_function_may_do_nothing_else() -> None:
    [policy] = properties("FunctionRole")["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    assert [each["Resource"] for each in statements] == [
        {"GetAtt": "Queue.Arn"},
        {"Ref": "ApiKeySecretArn"},
        {"GetAtt": "LogGroup.Arn"},
    ]
    assert "*" not in "".join(action for each in statements for action in as_list(each["Action"]))
    allowed, denied = properties("QueuePolicy")["PolicyDocument"]["Statement"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": {"GetAtt": "Rule.Arn"}}}
    assert denied["Effect"] == "Deny"


@pytest.mark.parametrize("path", [SAM, TERRAFORM], ids=["sam", "terraform"])
def test_a_template_has_no_key(path: Path) -> None:
    words = path.read_text("utf-8")
    assert "ITERABLE_API_KEY" not in words, "whoever reads the configuration could read it"
    assert re.findall(r"\b[0-9a-f]{32}\b|AKIA\w+|resolve:", words) == []


def test_every_name_in_the_terraform_template_is_declared_and_used() -> None:
    code = re.sub(r"#.*", "", TERRAFORM.read_text("utf-8"))
    declared = {
        f"{'data.' if block == 'data' else ''}{kind}.{name}"
        for block, kind, name in re.findall(r'^(resource|data) "(\w+)" "(\w+)"', code, re.MULTILINE)
    }
    used = {
        f"{data}{kind}.{name}"
        for data, kind, name in re.findall(r"(data\.)?\b(aws_\w+)\.(\w+)", code)
    }
    assert used <= declared
    assert len(used) > 8
    variables = re.findall(r'^variable "(\w+)"', code, re.MULTILINE)
    assert set(re.findall(r"\bvar\.(\w+)", code)) == set(variables)


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no terraform here")
def test_the_terraform_template_is_formatted() -> None:
    command = ["terraform", "fmt", "-check", "-diff", str(TERRAFORM.parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@needs("cfnlint")
def test_the_linter_of_cloudformation_finds_nothing() -> None:
    command = str(Path(sys.executable).parent / "cfn-lint")
    done = subprocess.run(
        [command, "--include-checks", "I", "--", str(SAM)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_page_leads_to_both_templates() -> None:
    links = re.findall(r"\]\((\.\./\.\./examples/aws_[^)]*)\)", PAGES["howto/aws-lambda.md"])
    found = {(ROOT / "docs" / "howto" / link).resolve() for link in links}
    assert found == {SAM.resolve(), TERRAFORM.resolve()}


#: Runs a function as Lambda does: from its package, with what the runtime has behind it.
AS_LAMBDA = """
import importlib, json, sys
package, runtime, handler = sys.argv[1:]
sys.path[:] = [package, *(each for each in sys.path if "-packages" not in each), runtime]
module, name = handler.rsplit(".", 1)
function = getattr(importlib.import_module(module), name)

class Context:
    def get_remaining_time_in_millis(self):
        return 30_000

print(json.dumps(function(json.load(sys.stdin), Context())))
"""


@pytest.mark.slow
@needs("moto", "boto3")
def test_the_packaged_function_reads_its_key_and_delivers(
    local_iterable: LocalIterable, tmp_path: Path
) -> None:
    boto3 = importlib.import_module("boto3")
    package = build_package(tmp_path)
    with running_aws() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        client = boto3.client("secretsmanager")
        secret = client.create_secret(Name="iterable", SecretString=f"{local_iterable.api_key}\n")
        client.close()
        done = subprocess.run(
            [
                *(sys.executable, "-I", "-c", AS_LAMBDA, str(package)),
                *(str(find_runtime(tmp_path)), properties("Function")["Handler"]),
            ],
            input=json.dumps(records_of_sqs("events", EVENT, REFUSED, PROFILE)),
            env=environment()
            | variables
            | {
                "API_KEY_SECRET_ARN": secret["ARN"],
                "ITERABLE_BASE_URL": local_iterable.url,
                "ITERABLE_DATA_CENTER": "EU",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"batchItemFailures": [{"itemIdentifier": "sqs-1"}]}
    assert has_both(local_iterable)
    variables_of_function = set(properties("Function")["Environment"]["Variables"])
    assert variables_of_function == {"API_KEY_SECRET_ARN", "ITERABLE_DATA_CENTER"}


def build_package(folder: Path) -> Path:
    """Make the package as the page does, for this Python, and unpack it as Lambda does."""
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    run_in(folder, [*pip, "wheel", "--no-deps", "--wheel-dir", "dist", str(ROOT)])
    [wheel] = (folder / "dist").glob("*.whl")
    run_in(folder, [*pip, "install", "--target", "package", str(wheel), "orjson"])
    copied = re.findall(r"^cp (.*) dist/package/$", PAGES["howto/aws-lambda.md"], re.MULTILINE)
    for name in copied[0].split():
        shutil.copy(ROOT / name, folder / "package")
    with zipfile.ZipFile(folder / "function.zip", "w") as file:
        for path in (folder / "package").rglob("*"):
            file.write(path, path.relative_to(folder / "package"))
    task = folder / "task"
    with zipfile.ZipFile(folder / "function.zip") as file:
        file.extractall(task)
    return task


def run_in(folder: Path, command: list[str]) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


def find_runtime(folder: Path) -> Path:
    """Return a folder with boto3, and with nothing that the package should have."""
    runtime = folder / "runtime"
    runtime.mkdir()
    for name in ("boto3", "botocore", "jmespath", "s3transfer"):
        [place] = importlib.import_module(name).__path__
        (runtime / name).symlink_to(place)
    return runtime


@contextmanager
def running_aws() -> Iterator[dict[str, str]]:
    """Run a server that is like AWS, and give the variables that lead there."""
    server = importlib.import_module("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {
            "AWS_ACCESS_KEY_ID": "key-of-nobody",
            "AWS_SECRET_ACCESS_KEY": "secret-of-nobody",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }
    finally:
        server.stop()


# --- Docker


SERVICES = yaml.safe_load((COMPOSE / "compose.yaml").read_text("utf-8"))


def services() -> dict[str, Any]:
    found: dict[str, Any] = SERVICES["services"]
    return found


def content(name: str) -> Any:
    """Return what a file says that stands in compose.yaml itself."""
    return yaml.safe_load(SERVICES["configs"][name]["content"])


@pytest.mark.slow
@needs("check_jsonschema")
def test_the_services_are_by_the_schema_of_compose() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, str(COMPOSE / "compose.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_what_services_name_is_there() -> None:
    for name, service in services().items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (COMPOSE / source).is_file(), (name, source)
            else:
                assert source in SERVICES["volumes"]
        assert set(service.get("secrets", [])) <= set(SERVICES["secrets"])
        assert {each["source"] for each in service.get("configs", [])} <= set(SERVICES["configs"])
        assert set(service.get("depends_on", [])) <= set(services())
        if "build" in service:
            context = COMPOSE / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()
        assert "healthcheck" in service or service.get("profiles") == [name]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "others would reach it without HTTPS"


def test_prometheus_and_grafana_find_what_they_read() -> None:
    targets = {
        each["target"]: content(each["source"])
        for name in ("prometheus", "grafana")
        for each in services()[name]["configs"]
    }
    prometheus = targets["/etc/prometheus/prometheus.yml"]
    mounted = {volume.split(":")[1] for each in services().values() for volume in each["volumes"]}
    assert {f"/etc/prometheus/{name}" for name in prometheus["rule_files"]} <= mounted
    [job] = prometheus["scrape_configs"]
    metrics_port = services()["receiver"]["environment"]["METRICS_PORT"]
    assert job["static_configs"] == [{"targets": [f"receiver:{metrics_port}"]}]
    [provider] = targets["/etc/grafana/provisioning/dashboards/iterable.yml"]["providers"]
    assert f"{provider['options']['path']}/iterable.json" in mounted
    [source] = targets["/etc/grafana/provisioning/datasources/prometheus.yml"]["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"] is True


def test_every_secret_is_a_file_that_the_script_makes(tmp_path: Path) -> None:
    script = Path(shutil.copy(COMPOSE / "make_secrets.sh", tmp_path))
    done = make_secrets(script)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "secrets"
    files = {f"secrets/{path.name}" for path in folder.iterdir()}
    assert files == {each["file"] for each in SERVICES["secrets"].values()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert json.loads((folder / "iterable.json").read_text()) == {
        "api_key": "0123abcd",
        "data_center": "EU",
    }
    password = (folder / "database_password").read_text()
    assert re.fullmatch("[0-9a-f]{64}", password)
    assert f"password={password}\n" in (folder / "pg_service.conf").read_text()
    assert len({path.read_text() for path in folder.iterdir()}) == len(files)
    again = make_secrets(script)
    assert again.returncode != 0
    assert (folder / "database_password").read_text() == password


def make_secrets(script: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(script)],
        input="EU\n0123abcd\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_secrets_do_not_come_into_a_commit() -> None:
    assert "secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


@pytest.fixture
def variables(postgres: Cluster, local_iterable: LocalIterable, tmp_path: Path) -> dict[str, str]:
    """The environment of the receiver and of drain, with their paths in a folder."""
    postgres.run("DROP TABLE IF EXISTS iterable_outbox")
    for name in ("secrets", "dead_letters"):
        (tmp_path / name).mkdir()
    for name, said in {
        "iterable.json": json.dumps(
            {"api_key": local_iterable.api_key, "base_url": local_iterable.url}
        ),
        "segment_shared_secret": VARIABLES["SEGMENT_SHARED_SECRET"],
        "segment_header_secret": VARIABLES["SEGMENT_HEADER_SECRET"],
        "pg_service.conf": "[iterable]\nhost=127.0.0.1\nuser=postgres\ndbname=postgres\n"
        f"port={postgres.port}\npassword={PASSWORD}\n",
    }.items():
        (tmp_path / "secrets" / name).write_text(said)
    assert services()["receiver"]["environment"] == services()["drain"]["environment"]
    given = {
        name: moved(value, tmp_path)
        for name, value in services()["receiver"]["environment"].items()
    }
    ports = {"METRICS_PORT": free_port(), "PORT": free_port()}
    return environment(
        **given | {name: str(port) for name, port in ports.items()},
        HOME=str(tmp_path),
    )


def moved(value: str, folder: Path) -> str:
    """Return a value with the paths of the container under a folder."""
    return value.replace("/run/secrets", f"{folder}/secrets").replace("/srv", str(folder))


@contextmanager
def receiving(variables: dict[str, str]) -> Iterator[str]:
    """Run the command of the container, and give its address."""
    server = subprocess.Popen(
        ["/bin/sh", "-c", read_steps(COMPOSE / "Dockerfile")[-1].text],
        cwd=COMPOSE,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{variables['PORT']}/"
    finally:
        server.terminate()
        log, _ = server.communicate(timeout=60)
    assert server.returncode == 0, log


@NEEDS_GUNICORN_27
def test_the_receiver_takes_events_delivers_them_and_has_metrics(
    variables: dict[str, str], postgres: Cluster, local_iterable: LocalIterable, tmp_path: Path
) -> None:
    body = text([EVENT, PROFILE, REFUSED])
    with receiving(variables) as url:
        answer = posted(url, body, signed(body, text(EVENT)))
        assert (answer.status_code, answer.json()) == (200, {"kept": 3})
        wait_until(lambda: postgres.run("SELECT count(*) FROM iterable_outbox") == [(0,)])
        check = services()["receiver"]["healthcheck"]["test"]
        assert check[:3] == ["CMD", "python", "-c"]
        asking = check[3].replace("http://127.0.0.1:8080/", url)
        subprocess.run([sys.executable, "-c", asking], check=True, timeout=30)
        metrics = requests.get(
            f"http://127.0.0.1:{variables['METRICS_PORT']}/metrics", timeout=10
        ).text
    assert has_both(local_iterable)
    letters = (tmp_path / "dead_letters" / "dead.jsonl").read_text().splitlines()
    assert [json.loads(line)["messageId"] for line in letters] == ["m-3"]
    for series in (
        'iterable_destination_outcomes_total{outcome="delivered"} 2.0',
        'iterable_destination_outcomes_total{outcome="rejected"} 1.0',
        "iterable_destination_outbox_events 0.0",
    ):
        assert series in metrics.splitlines()


@NEEDS_GUNICORN_27
def test_the_health_check_fails_without_a_database(
    variables: dict[str, str], tmp_path: Path
) -> None:
    service = tmp_path / "secrets" / "pg_service.conf"
    service.write_text(service.read_text().replace(PASSWORD, "another"))
    with receiving(variables) as url:
        body = text(EVENT)
        assert posted(url, body, signed(body)).status_code == 503
        assert requests.get(f"{url}health", timeout=10).status_code == 503


def test_drain_delivers_what_the_receiver_left(
    variables: dict[str, str], postgres: Cluster, local_iterable: LocalIterable, tmp_path: Path
) -> None:
    with PostgresOutbox(postgres.dsn) as outbox:
        outbox.add_all([EVENT, PROFILE, REFUSED])
    command, *arguments = (moved(each, tmp_path) for each in services()["drain"]["command"])
    assert command == "iterable-destination"
    done = subprocess.run(
        [sys.executable, "-m", "iterable_destination", *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr  # one event is refused
    assert has_both(local_iterable)
    assert postgres.run("SELECT count(*) FROM iterable_outbox") == [(0,)]
    assert "m-3" in (tmp_path / "dead_letters" / "dead.jsonl").read_text()


# --- the steps of Dockerfiles


@attrs.frozen
class Step:
    """One instruction of a Dockerfile."""

    name: str
    text: str


def read_steps(dockerfile: Path) -> list[Step]:
    lines = re.sub(r"\\\n\s*", "", dockerfile.read_text("utf-8")).splitlines()
    return [Step(*line.split(" ", 1)) for line in lines if line and not line.startswith("#")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Dockerfile", "compose/Dockerfile"])
def test_the_steps_of_a_dockerfile_work_in_a_folder(
    name: str, variables: dict[str, str], local_iterable: LocalIterable, tmp_path: Path
) -> None:
    """Run as root in nothing but a folder, with another Python than the image's."""
    context = ROOT
    if name == "Dockerfile":  # the page says to put the wheel beside it
        context = Path(shutil.copytree(EXAMPLES, tmp_path / "context"))
        pip = [sys.executable, "-m", "pip", "-q", "wheel", "--no-deps"]
        run_in(context, [*pip, "--wheel-dir", ".", str(ROOT)])
    else:
        (tmp_path / "dead_letters").rmdir()  # a step makes it
    variables |= VARIABLES | {
        "ITERABLE_API_KEY": local_iterable.api_key,
        "ITERABLE_BASE_URL": local_iterable.url,
    }
    del variables["PYTHONPATH"]  # the package is the one that a step installs
    run_in(tmp_path, [sys.executable, "-m", "venv", "venv"])
    variables["PATH"] = f"{tmp_path / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    *steps, last = read_steps(EXAMPLES / name)
    assert steps[0].text == "python:3.12-slim"
    for step in steps[1:]:
        run_step(step, context, tmp_path, variables)
    assert last.name == "CMD"
    server = subprocess.Popen(["/bin/sh", "-c", last.text], cwd=tmp_path, env=variables)
    try:
        body = text([EVENT, PROFILE])
        url = f"http://127.0.0.1:{variables['PORT']}/"
        assert posted(url, body, signed(body, text(EVENT))).status_code == 200
        wait_until(lambda: len(local_iterable.project.effects) == 2)
        assert has_both(local_iterable)
    finally:
        server.terminate()
        server.wait(timeout=60)


def run_step(step: Step, context: Path, folder: Path, variables: dict[str, str]) -> None:
    """Run one instruction, in a folder that stands for the image's."""
    if step.name == "COPY":
        *sources, target = step.text.split()
        for source in sources:
            found = list(context.glob(source))
            assert found, f"there is no {source} in the context"
            for path in found:
                copy_into(path, folder / target, as_content=source == path.name and path.is_dir())
    elif step.name == "RUN":
        done = subprocess.run(
            ["/bin/sh", "-c", step.text],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    else:
        assert (step.name, step.text) in {("WORKDIR", "/srv"), ("USER", "nobody")}


def copy_into(path: Path, target: Path, *, as_content: bool) -> None:
    """Copy a file into a folder, or the content of a folder, as Docker does."""
    if as_content:
        shutil.copytree(path, target)
    else:
        target.mkdir(exist_ok=True)
        shutil.copy(path, target)
