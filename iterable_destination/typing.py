"""Types of what is handed in: an editor and a type checker know by them what a call may have.

They are for annotations. An event is checked when it is translated, whatever its type says::

    from iterable_destination.typing import Track

    event: Track = {"type": "track", "userId": "u-7", "event": "Plan Chosen"}

Any other mapping is taken too. Segment's specification says what each field means.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Required, TypedDict

__all__ = ["Alias", "Delete", "Event", "Group", "Identify", "Page", "Screen", "Track"]

#: What is handed in: a call of Segment's, or for a ``SegmentDestination`` a webhook of Iterable's.
Event = Mapping[str, Any]

#: A moment: ISO 8601, Unix seconds or milliseconds, or Python's own; naive ones are in UTC.
Moment = str | int | float | datetime


class _Call(TypedDict, total=False):
    """What all of Segment's calls have."""

    messageId: str
    anonymousId: str | None
    timestamp: Moment | None
    originalTimestamp: Moment | None
    sentAt: Moment | None
    receivedAt: Moment | None
    #: Among them ``traits``, ``campaign``, ``device``, ``ip``, ``locale`` and ``timezone``.
    context: Mapping[str, Any] | None
    #: By destination: whether the event is for it, or options; ``All`` for the others.
    integrations: Mapping[str, bool | Mapping[str, Any]] | None
    channel: str
    version: int | str
    projectId: str
    writeKey: str


class _OfUser(_Call, total=False):
    """What the calls about one user have."""

    userId: str | int | None


class Identify(_OfUser, total=False):
    """Who a user is."""

    type: Required[Literal["identify"]]
    traits: Mapping[str, Any] | None


class Track(_OfUser, total=False):
    """What a user did."""

    type: Required[Literal["track"]]
    event: Required[str]
    properties: Mapping[str, Any] | None


class Page(_OfUser, total=False):
    """A page that a user saw."""

    type: Required[Literal["page"]]
    name: str | None
    category: str | None
    properties: Mapping[str, Any] | None


class Screen(_OfUser, total=False):
    """A screen of an app that a user saw."""

    type: Required[Literal["screen"]]
    name: str | None
    category: str | None
    properties: Mapping[str, Any] | None


class Group(_OfUser, total=False):
    """Which group a user belongs to."""

    type: Required[Literal["group"]]
    groupId: Required[str | int]
    traits: Mapping[str, Any] | None


class Alias(_OfUser, total=False):
    """Another id of a user."""

    type: Required[Literal["alias"]]
    previousId: Required[str | int]


class Delete(_OfUser, total=False):
    """A user is to be deleted."""

    type: Required[Literal["delete"]]
