"""Calls: requests to Iterable as values. Each knows its endpoint and makes its body.

A translator makes a call of values that it has checked by ``validation``. A field that is None is
left out of the body. Personal data does not show in a ``repr``. The classes have no slots, because
a frozen class without them is quicker to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple, Self

import attrs

from iterable_destination.model import endpoints
from iterable_destination.model.endpoints import Endpoint
from iterable_destination.model.json_codec import decode, encode_to_fit


@attrs.frozen(slots=False)
class Identity:
    """Who a call is about: an email, a userId, or both."""

    #: The email, or None if there is none.
    email: str | None = attrs.field(default=None, repr=False)
    #: The user's own id, or None if there is none.
    user_id: str | None = attrs.field(default=None, repr=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether there is neither email nor userId."""
        return self.email is None and self.user_id is None

    @classmethod
    def of_body(cls, body: Mapping[str, Any]) -> Self:
        """Return the identity in a request body, or in its ``user``."""
        return cls(body.get("email"), body.get("userId"))

    def body(self) -> dict[str, Any]:
        """Return the fields that are known, as a new ``dict``."""
        body = {}
        if self.email is not None:
            body["email"] = self.email
        if self.user_id is not None:
            body["userId"] = self.user_id
        return body


@attrs.frozen(slots=False)
class UpdateUser:
    """Create a user, or merge ``data_fields`` into the profile."""

    endpoint: ClassVar[Endpoint] = endpoints.USERS_UPDATE

    identity: Identity
    data_fields: dict[str, Any] = attrs.field(factory=dict, repr=False)
    #: True merges objects at the top of the profile, False replaces them; None leaves it to
    #: Iterable, which replaces.
    merge_nested_objects: bool | None = None
    #: True updates existing users and creates none. Only a bulk request (``bulkUpdate``) can say
    #: so; it is not in the body.
    update_only: bool | None = None

    def body(self) -> dict[str, Any]:
        """Return the request's body, a new ``dict``."""
        body = self.identity.body()
        body["dataFields"] = self.data_fields
        if self.merge_nested_objects is not None:
            body["mergeNestedObjects"] = self.merge_nested_objects
        return body

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Self:
        """Return the call that has this body."""
        merges = body.get("mergeNestedObjects")
        return cls(Identity.of_body(body), body["dataFields"], merges)


@attrs.frozen(slots=False)
class TrackEvent:
    """Record a custom event."""

    endpoint: ClassVar[Endpoint] = endpoints.EVENTS_TRACK

    identity: Identity
    event_name: str | None
    data_fields: dict[str, Any] = attrs.field(factory=dict, repr=False)
    #: Whole unix seconds; None is the time of receipt.
    created_at: int | None = None
    #: At most 512 bytes; an event of the same id is updated. None: Iterable makes one up.
    id: str | None = None
    campaign_id: int | None = None
    template_id: int | None = None

    def body(self) -> dict[str, Any]:
        """Return the request's body, a new ``dict``."""
        body = self.identity.body()
        body["eventName"] = self.event_name
        if self.created_at is not None:
            body["createdAt"] = self.created_at
        body["dataFields"] = self.data_fields
        if self.id is not None:
            body["id"] = self.id
        if self.campaign_id is not None:
            body["campaignId"] = self.campaign_id
        if self.template_id is not None:
            body["templateId"] = self.template_id
        return body

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Self:
        """Return the call that has this body."""
        return cls(
            Identity.of_body(body),
            body["eventName"],
            body["dataFields"],
            body.get("createdAt"),
            body.get("id"),
            campaign_id=body.get("campaignId"),
            template_id=body.get("templateId"),
        )


@attrs.frozen(slots=False)
class Profile:
    """The profile fields in a cart or a purchase."""

    data_fields: dict[str, Any] = attrs.field(factory=dict, repr=False)
    #: As in :class:`UpdateUser`.
    merge_nested_objects: bool | None = None

    def body(self) -> dict[str, Any]:
        """Return these fields as they stand in the body's ``user``, a new ``dict``."""
        body: dict[str, Any] = {"dataFields": self.data_fields}
        if self.merge_nested_objects is not None:
            body["mergeNestedObjects"] = self.merge_nested_objects
        return body

    @classmethod
    def of_user(cls, user: Mapping[str, Any]) -> Self | None:
        """Return the profile fields in the ``user`` of a body; None if there are none."""
        if "dataFields" not in user:
            return None
        return cls(user["dataFields"], user.get("mergeNestedObjects"))


def _user(identity: Identity, profile: Profile | None) -> dict[str, Any]:
    user = identity.body()
    return user if profile is None else user | profile.body()


@attrs.frozen(slots=False)
class UpdateCart:
    """Replace the user's cart."""

    endpoint: ClassVar[Endpoint] = endpoints.UPDATE_CART

    identity: Identity
    #: As Iterable takes them: ``id``, ``name``, ``price``, ``quantity`` and so on. An empty list
    #: empties the cart.
    items: list[dict[str, Any]] = attrs.field(repr=False)
    #: What is merged into the user's profile; None if nothing is.
    profile: Profile | None = None

    def body(self) -> dict[str, Any]:
        """Return the request's body, a new ``dict``."""
        return {"user": _user(self.identity, self.profile), "items": self.items}

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Self:
        """Return the call that has this body."""
        user = body["user"]
        return cls(Identity.of_body(user), body["items"], profile=Profile.of_user(user))


@attrs.frozen(slots=False)
class TrackPurchase:
    """Record a purchase; Iterable also empties the user's cart."""

    endpoint: ClassVar[Endpoint] = endpoints.TRACK_PURCHASE

    identity: Identity
    #: As Iterable takes them: ``id``, ``name``, ``price``, ``quantity`` and so on.
    items: list[dict[str, Any]] = attrs.field(repr=False)
    total: float | None
    data_fields: dict[str, Any] = attrs.field(factory=dict, repr=False)
    #: Whole unix seconds; None is the time of receipt.
    created_at: int | None = None
    campaign_id: int | None = None
    template_id: int | None = None
    #: At most 512 bytes; a purchase of the same id is updated. None: Iterable makes one up.
    id: str | None = None
    #: What is merged into the user's profile; None if nothing is.
    profile: Profile | None = None

    def body(self) -> dict[str, Any]:
        """Return the request's body, a new ``dict``."""
        body = {
            "user": _user(self.identity, self.profile),
            "items": self.items,
            "total": self.total,
            "createdAt": self.created_at,
            "campaignId": self.campaign_id,
            "templateId": self.template_id,
            "dataFields": self.data_fields,
            "id": self.id,
        }
        return {key: value for key, value in body.items() if value is not None}

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Self:
        """Return the call that has this body."""
        return cls(
            Identity.of_body(body["user"]),
            body["items"],
            body.get("total"),
            body["dataFields"],
            body.get("createdAt"),
            body.get("campaignId"),
            body.get("templateId"),
            body.get("id"),
            profile=Profile.of_user(body["user"]),
        )


@attrs.frozen(slots=False)
class UpdateEmail:
    """Change a user's email, in a project that knows its users by email.

    No Segment call does this by itself; it is sent with
    :meth:`iterable_destination.Client.update_email`, by a function of your own, or after an
    :class:`UpdateUser` of a subscription that maps ``newEmail``.
    """

    endpoint: ClassVar[Endpoint] = endpoints.USERS_UPDATE_EMAIL

    #: Who the user is now. If both are given Iterable goes by the email.
    identity: Identity
    new_email: str = attrs.field(repr=False)

    def body(self) -> dict[str, Any]:
        """Return the request's body, a new ``dict``."""
        body = {
            "currentEmail": self.identity.email,
            "currentUserId": self.identity.user_id,
            "newEmail": self.new_email,
        }
        return {key: value for key, value in body.items() if value is not None}

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Self:
        """Return the call that has this body."""
        email, user_id = body.get("currentEmail"), body.get("currentUserId")
        return cls(Identity(email, user_id), body["newEmail"])


@attrs.frozen(slots=False)
class UpdateSubscription:
    """Subscribe a user to one list, message type or channel of messages, or unsubscribe.

    Iterable has this endpoint only in projects for which it was enabled.
    """

    #: Who it is about. One of the two is sent; both count for the order of a user's calls.
    identity: Identity
    #: ``emailList``, ``messageType`` or ``messageChannel``.
    group_type: str
    #: The number of the list, message type or channel, at least 1.
    group_id: int
    #: ``subscribe`` or ``unsubscribe``.
    action: str
    #: Whether the userId is sent, if there is one, and not the email. The other is sent if the
    #: preferred one is missing.
    prefers_user_id: bool = False

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint, with the group and the action in its path."""
        path = f"/api/subscriptions/{self.group_type}/{self.group_id}?action={self.action}"
        return Endpoint(endpoints.SUBSCRIPTIONS.method, path, template=endpoints.SUBSCRIPTIONS.path)

    @property
    def sent_identity(self) -> Identity:
        """The email or the userId, whichever is sent; neither if there is none."""
        email, user_id = self.identity.email, self.identity.user_id
        if user_id is not None and (self.prefers_user_id or email is None):
            return Identity(user_id=user_id)
        return Identity(email)

    def body(self) -> dict[str, Any]:
        """Return the request's body, a new ``dict``."""
        sent = self.sent_identity
        if sent.user_id is not None:
            return {"usersByUserId": [sent.user_id]}
        return {} if sent.email is None else {"users": [sent.email]}


Call = UpdateUser | TrackEvent | UpdateCart | TrackPurchase | UpdateEmail | UpdateSubscription
#: The kinds of which Iterable keeps one record for each id.
WITH_ID: Final = (TrackEvent, TrackPurchase)


class EncodedCall(NamedTuple):
    """A call while it is being delivered: what delivery asks for, and the body as bytes.

    The bodies of very many calls take far less memory as bytes than as Python's values.
    """

    #: The call's class. Unless :attr:`original` is set it has ``endpoint`` and ``of_body``.
    kind: type[Any]
    email: str | None
    user_id: str | None
    #: None for calls other than custom events.
    event_name: str | None
    #: The call's body in JSON.
    body: bytes
    #: As in :class:`UpdateUser`.
    update_only: bool | None = None
    #: The call itself, where its body does not say all of it; else None.
    original: UpdateSubscription | None = None

    @property
    def identity(self) -> Identity:
        """Who the call is about."""
        return Identity(self.email, self.user_id)

    @property
    def endpoint(self) -> Endpoint:
        """Where the call is sent."""
        if self.original is not None:
            return self.original.endpoint
        endpoint: Endpoint = self.kind.endpoint
        return endpoint

    def call(self) -> Any:
        """Decode the call."""
        if self.original is not None:
            return self.original
        call = self.kind.of_body(decode(self.body))
        if self.update_only is not None and isinstance(call, UpdateUser):
            return attrs.evolve(call, update_only=self.update_only)
        return call


def encode_call(call: Call, default_id: str | None = None) -> EncodedCall:
    """Encode a call, with ``default_id`` if that is not None and the call has no id of its own.

    An id that is empty, or of spaces only, is none: two records with it would be one.
    """
    body, identity = call.body(), call.identity
    if isinstance(call, WITH_ID):
        if call.id is not None and not call.id.strip():
            del body["id"]
        if default_id is not None:
            body.setdefault("id", default_id)
    event_name = body.get("eventName")
    update_only = call.update_only if isinstance(call, UpdateUser) else None
    original = call if isinstance(call, UpdateSubscription) else None
    text = encode_to_fit(body)
    who = identity.email, identity.user_id
    return EncodedCall(type(call), *who, event_name, text, update_only, original)
