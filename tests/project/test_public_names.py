"""The public names are these; everything else may move in any release."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import iterable_destination

PUBLIC = {
    "iterable_destination": {
        *("AnalyticsClient", "ApiError", "ApiResponse", "AsyncClient", "AsyncDestination"),
        *("Call", "Client", "ConfigurationError"),
        *("Counters", "DeadLetter", "DeadLetterStore", "DeadLetters", "Delivered", "Destination"),
        *("DestinationFunction", "DropEvent", "Endpoint", "EventNotSupported"),
        *(
            "Exchange",
            "FailedSubscription",
            "Failure",
            "FunctionError",
            "FunctionFailed",
            "Identity",
        ),
        *("InvalidCall", "InvalidEvent", "InvalidEventPayload", "InvalidJSON", "InvalidSettings"),
        *("InvalidSubscription", "InvalidWebhook", "IterableDestinationError", "NetworkError"),
        *("NotAccepted", "NotSent", "Note", "Origin", "Outbox", "OutboxError", "OutboxRecord"),
        *(
            "Outcome",
            "PostgresOutbox",
            "Problem",
            "Profile",
            "QueueFull",
            "RateLimited",
            "Rejected",
        ),
        *("RequestRefused", "RetryError", "RetryPolicy", "Retryable", "SegmentClient"),
        *("SegmentDestination", "ServerError", "Settings", "Skipped", "TrackEvent"),
        *("TrackPurchase", "Translation", "Unknown", "UpdateCart", "UpdateEmail"),
        *("UpdateSubscription", "UpdateUser", "ValidationError", "origins", "translate"),
    },
    "iterable_destination.errors": {
        *("AmbiguousAnswer", "ApiError", "BadRequest", "CheckpointInUse", "ConfigurationError"),
        *("DropEvent", "EventDisallowed", "EventNotSupported", "Forbidden", "ForgottenUser"),
        *("FunctionError", "FunctionFailed", "IdentityConflict", "Invalid", "InvalidCall"),
        *("InvalidCheckpoint", "InvalidEvent", "InvalidEventPayload", "InvalidJSON"),
        *("InvalidSettings", "InvalidSubscription", "InvalidWebhook"),
        *("IterableDestinationError", "NetworkError", "NotAccepted", "NotConnected", "NotSent"),
        *("Note", "OutboxError", "OutboxInUse", "OutboxRightLost", "Problem", "QueueFull"),
        "RateLimited",
        *("RequestRefused", "RetryError", "ServerError", "TooLarge", "Unauthorized"),
        *("UnreadableInput", "UnwritableFile", "ValidationError", "WrongAddress"),
    },
    "iterable_destination.mapping.actions": {
        *("ACTIONS", "DEFAULT_MAPPINGS", "Explanation", "MAX_SUBSCRIPTIONS", "MappedTranslator"),
        *("PRESETS", "PRESETS_JSON", "Subscription", "explain", "subscriptions_from_json"),
    },
    "iterable_destination.source": {"Ignored", "SegmentTrack", "SourceOptions", "to_segment"},
    "iterable_destination.conformance": {
        *("SYSTEMS", "Case", "Implementation", "Result", "answer", "cases", "compare", "run"),
    },
    "iterable_destination.metrics.opentelemetry": {"OpenTelemetryMetrics"},
    "iterable_destination.metrics.prometheus": {"PrometheusMetrics"},
    "iterable_destination.receivers": {"WebhookApp", "source_app", "webhook_app"},
    "iterable_destination.receivers.aws_lambda": {
        *("LambdaHandler", "eventbridge_handler", "http_handler", "kinesis_handler"),
        "sqs_handler",
    },
    "iterable_destination.receivers.cloud_functions": {"http_function"},
    "iterable_destination.receivers.dev_server": {"serve"},
    "iterable_destination.spark": {"send_to_iterable", "translate_events"},
    "iterable_destination.testing": {
        *("Effect", "Fault", "Faults", "LocalIterable", "Project", "ProjectType", "RandomFaults"),
        *("Received", "Request", "Response", "Script"),
    },
}


@pytest.mark.parametrize("module", PUBLIC)
def test_a_public_module_has_these_names_and_no_others(module: str) -> None:
    imported = importlib.import_module(module)
    assert set(imported.__all__) == PUBLIC[module]
    assert len(imported.__all__) == len(PUBLIC[module])
    for name in imported.__all__:
        assert getattr(imported, name) is not None


def test_type_checkers_see_the_names_of_the_root_where_they_are_loaded_from() -> None:
    source = Path(iterable_destination.__file__).read_text("utf-8")
    seen = {
        name.name: node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(__package_name__)
        for name in node.names
    }
    assert seen == {
        name: f"iterable_destination.{module}"
        for name, module in iterable_destination._MODULES.items()
    }
    assert set(iterable_destination.__all__) <= set(dir(iterable_destination))


__package_name__ = "iterable_destination."


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Patience'"):
        _ = iterable_destination.Patience  # type: ignore[attr-defined]


def loaded_by(statement: str) -> set[str]:
    """Run a statement in a new interpreter, and return the names of all modules it loads."""
    program = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, timeout=60
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "statement",
    [
        "import iterable_destination",
        "from iterable_destination import translate",
        "import iterable_destination.testing.plugin",
    ],
)
def test_who_only_translates_loads_neither_http_nor_a_database(statement: str) -> None:
    heavy = {"requests", "urllib3", "sqlite3", "ssl", "click", "rich", "http.client"}
    assert loaded_by(statement) & heavy == set()


def test_without_installed_metadata_the_version_is_known_and_requests_go_out(
    tmp_path: Path,
) -> None:
    """The package on a path, as in a zip for a function, without its ``dist-info``."""
    package = Path(iterable_destination.__file__).parent
    (tmp_path / "iterable_destination").symlink_to(package, target_is_directory=True)
    program = f"""
import sys, importlib.metadata as metadata
def missing(name):
    raise metadata.PackageNotFoundError(name)
metadata.version = metadata.distribution = missing
sys.path.insert(0, {str(tmp_path)!r})
from iterable_destination import Destination, Settings, __version__
from iterable_destination.testing import LocalIterable
with LocalIterable() as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings) as to:
        outcome = to.send({{"type": "track", "event": "Seen", "userId": "u-1"}})
    print(outcome.name, __version__)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["delivered", iterable_destination.__version__]
