"""What the pages show, as HTML made from templates, which escape every value."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape

from iterable_destination.errors import Problem
from iterable_destination.mapping.explanation import EventExplanation, describe_problem
from iterable_destination.mapping.rules import DOCS_URL
from iterable_destination.model.json_codec import encode
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.segment_track import Ignored, SegmentTrack
from iterable_destination.playground.users import UserView
from iterable_destination.testing import Effect

#: After these a long name may go on in the next line.
_ENDS_OF_WORDS: Final = (".", "_")

_templates: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("iterable_destination.playground"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["json"] = lambda value: encode(value).decode()
_templates.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
_templates.tests["problem"] = lambda finding: isinstance(finding, Problem)
_templates.globals["docs"] = DOCS_URL
_templates.globals["describe_problem"] = describe_problem


def _make_breakable(text: str) -> Markup:
    """Return a text, escaped, that browsers break into lines at the ends of its words."""
    escaped = str(escape(text))
    for end in _ENDS_OF_WORDS:
        escaped = escaped.replace(end, f"{end}<wbr>")
    return Markup(escaped)  # noqa: S704 - it is escaped


_templates.filters["breakable"] = _make_breakable


def render(template: str, **values: Any) -> str:
    """Return a page or a part of one."""
    return _templates.get_template(template).render(values)


def show_explanation(event: Any, explanation: EventExplanation) -> str:
    """Return what an event becomes, and why."""
    return render("explanation.html", event=event, explanation=explanation)


def show_mistake(message: str) -> str:
    """Return why there is nothing to show."""
    return render("mistake.html", message=message)


def show_outcomes(outcomes: Iterable[Outcome]) -> str:
    """Return what became of events that were sent."""
    return render("outcomes.html", outcomes=tuple(outcomes))


def show_user(name: str, user: UserView | None) -> str:
    """Return what is known of a user; ``name`` is the email or userId that was asked for."""
    return render("user.html", name=name, user=user)


def show_effect(effect: Effect) -> str:
    """Return one thing that the local Iterable applied, as an item of a list."""
    return render("effect.html", effect=effect)


def show_track(webhook: Any, track: SegmentTrack | Ignored) -> str:
    """Return what a webhook becomes."""
    ignored = track if isinstance(track, Ignored) else None
    return render("track.html", webhook=webhook, track=track, ignored=ignored)


def show_refused_webhook(webhook: Any, problems: Iterable[Problem]) -> str:
    """Return why a webhook is refused."""
    return render("refused_webhook.html", webhook=webhook, problems=tuple(problems))
