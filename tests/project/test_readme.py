"""The README tells the truth: its examples are run, its links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from iterable_destination import InvalidEvent, translate
from iterable_destination.cli.main import command_line
from iterable_destination.testing import LocalIterable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_event_that_is_piped_gives_the_line_that_is_shown() -> None:
    [piped], [shown] = blocks("sh"), blocks("json")
    event = shlex.split(piped)[1]
    result = CliRunner().invoke(command_line, ["translate"], input=event)
    assert (result.exit_code, json.loads(result.stdout)) == (0, json.loads(shown))


def test_the_backend_example_delivers(
    local_iterable: LocalIterable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", local_iterable.api_key)
    monkeypatch.setenv("ITERABLE_BASE_URL", local_iterable.url)
    exec(blocks("python")[0], {})  # noqa: S102 - our own README
    assert capsys.readouterr().out.startswith("delivered ")
    assert [event["eventName"] for event in local_iterable.project.events("u-1")] == ["Plan Chosen"]


def test_the_example_of_translate_says_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    sending, refused = blocks("python")[1].split("\n\ntranslate(")
    names: dict[str, Any] = {}
    exec(sending, names)  # noqa: S102 - our own README
    printed, shown = capsys.readouterr().out.strip(), sending.splitlines()[-1]
    assert f"# {printed}" == shown
    event, comment = refused.split(")\n# InvalidEvent: ")
    with pytest.raises(InvalidEvent) as caught:
        translate(json.loads(event))
    assert str(caught.value) == " ".join(comment.replace("#", "").split())


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_every_link_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).is_file()] == []
    assert len(links) > (10 if page == "README.md" else 2)
