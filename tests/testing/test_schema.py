"""The documented shapes of bodies, written out a second time and compared."""

from __future__ import annotations

import pytest

from iterable_destination.testing import schema
from iterable_destination.testing.shapes import Definition, ListOf, Scalar, Type

WHO = {"email": "string", "userId": "string"}
USER = {
    **WHO,
    "dataFields": "object",
    "mergeNestedObjects": "boolean",
    "preferUserId": "boolean",
}
#: A definition → its fields; ``!`` marks what is required.
DOCUMENTED = {
    "ApiUserUpdateRequest": {**USER, "createNewFields": "boolean"},
    "OptionalApiUser": USER,
    "BulkUpdateUsersRequest": {
        "users!": "[OptionalApiUser]",
        "createNewFields": "boolean",
        "updateOnly": "boolean",
    },
    "UpdateEmailRequest": {
        "currentEmail": "string",
        "currentUserId": "string",
        "newEmail!": "string",
    },
    "BulkSubscriptionActionRequest": {"users": "[string]", "usersByUserId": "[string]"},
    "TrackRequest": {
        **WHO,
        "eventName!": "string",
        "id": "string",
        "createdAt": "integer (int64)",
        "dataFields": "object",
        "campaignId": "integer (int64)",
        "templateId": "integer (int64)",
        "createNewFields": "boolean",
    },
    "BulkTrackRequest": {"events!": "[TrackRequest]"},
    "TrackPurchaseRequest": {
        "user!": "ApiUserUpdateRequest",
        "items!": "[CommerceItem]",
        "total!": "number (double)",
        "id": "string",
        "createdAt": "integer (int64)",
        "dataFields": "object",
        "campaignId": "integer (int32)",
        "templateId": "integer (int32)",
    },
    "UpdateCartRequest": {"user!": "ApiUserUpdateRequest", "items!": "[CommerceItem]"},
    "CommerceItem": {
        "id!": "string",
        "name!": "string",
        "price!": "number (double)",
        "quantity!": "integer (int64)",
        "sku": "string",
        "description": "string",
        "imageUrl": "string",
        "url": "string",
        "categories": "[string]",
        "dataFields": "object",
    },
    "RegisterDeviceTokenRequest": {**WHO, "preferUserId": "boolean", "device!": "Device"},
    "Device": {
        "token!": "string",
        "platform!": "string (enum)",
        "applicationName!": "string",
        "dataFields": "object",
    },
    "ApiWebhookModel": {
        "id!": "integer (int64)",
        "endpoint": "string",
        "enabled": "boolean",
        "blastSendEnabled": "boolean",
        "triggeredSendEnabled": "boolean",
        "authType": "string (enum)",
        "authToken": "string",
        "headers": "[LinkParam]",
    },
    "LinkParam": {"key!": "string", "value!": "string"},
}


def describe_type(kind: Type) -> str:
    if isinstance(kind, ListOf):
        return f"[{describe_type(kind.item)}]"
    assert isinstance(kind, Scalar | Definition)
    return kind.name


def read_tables() -> dict[str, dict[str, str]]:
    definitions = [value for value in vars(schema).values() if isinstance(value, Definition)]
    return {
        definition.name: {
            field.name + "!" * field.required: describe_type(field.type)
            for field in definition.fields
        }
        for definition in definitions
    }


def test_the_tables_are_the_documented_ones() -> None:
    assert read_tables() == DOCUMENTED


ITEM = {"id": "1", "name": "Tea", "price": 1.5, "quantity": 1}


@pytest.mark.parametrize(
    ("definition", "body", "problems"),
    [
        (schema.TRACK, {"eventName": "x"}, {}),
        (schema.TRACK, {"eventName": "x", "unheardOf": 1}, {}),
        (schema.TRACK, {}, {"obj.eventName": "error.path.missing"}),
        (schema.TRACK, [], {"obj": "error.expected.jsobject"}),
        (schema.TRACK, None, {"obj": "error.expected.jsobject"}),
        (schema.TRACK, {"eventName": 1}, {"obj.eventName": "error.expected.jsstring"}),
        (schema.TRACK, {"eventName": None}, {"obj.eventName": "error.expected.jsstring"}),
        (
            schema.TRACK,
            {"eventName": "x", "createdAt": "1"},
            {"obj.createdAt": "error.expected.jsnumber"},
        ),
        (
            schema.TRACK,
            {"eventName": "x", "createdAt": True},
            {"obj.createdAt": "error.expected.jsnumber"},
        ),
        (
            schema.TRACK,
            {"eventName": "x", "createdAt": 2.0},
            {"obj.createdAt": "error.expected.long"},
        ),
        (schema.TRACK, {"eventName": "x", "createdAt": 2**63 - 1}, {}),
        (schema.TRACK, {"eventName": "x", "createdAt": -(2**63)}, {}),
        (
            schema.TRACK,
            {"eventName": "x", "createdAt": 2**63},
            {"obj.createdAt": "error.expected.long"},
        ),
        (
            schema.TRACK,
            {"eventName": "x", "dataFields": []},
            {"obj.dataFields": "error.expected.jsobject"},
        ),
        (schema.BULK_TRACK, {"events": {}}, {"obj.events": "error.expected.jsarray"}),
        (
            schema.BULK_TRACK,
            {"events": [{"eventName": "x"}, {}, "no"]},
            {
                "obj.events[1].eventName": "error.path.missing",
                "obj.events[2]": "error.expected.jsobject",
            },
        ),
        (
            schema.USER_UPDATE,
            {"preferUserId": 1, "mergeNestedObjects": "true", "createNewFields": None},
            {
                "obj.mergeNestedObjects": "error.expected.jsboolean",
                "obj.preferUserId": "error.expected.jsboolean",
                "obj.createNewFields": "error.expected.jsboolean",
            },
        ),
        (
            schema.TRACK_PURCHASE,
            {
                "user": {"email": 1},
                "items": [ITEM, {**ITEM, "price": "1", "quantity": 1.5, "categories": ["a", 1]}],
                "total": True,
                "campaignId": 2**31,
                "templateId": 2**31 - 1,
            },
            {
                "obj.user.email": "error.expected.jsstring",
                "obj.items[1].categories[1]": "error.expected.jsstring",
                "obj.items[1].price": "error.expected.jsnumber",
                "obj.items[1].quantity": "error.expected.long",
                "obj.total": "error.expected.jsnumber",
                "obj.campaignId": "error.expected.int",
            },
        ),
        (schema.TRACK_PURCHASE, {"user": {}, "items": [], "total": 0}, {}),
        (schema.TRACK_PURCHASE, {"user": {}, "items": [ITEM], "total": 1.5}, {}),
        (
            schema.REGISTER_DEVICE_TOKEN,
            {"device": {"platform": "Nokia", "applicationName": None}},
            {
                "obj.device.token": "error.path.missing",
                "obj.device.platform": "error.expected.validenumvalue",
                "obj.device.applicationName": "error.expected.jsstring",
            },
        ),
        (
            schema.WEBHOOK,
            {"id": 1, "authType": 5, "headers": [{"key": "a"}]},
            {
                "obj.authType": "error.expected.jsstring",
                "obj.headers[0].value": "error.path.missing",
            },
        ),
    ],
)
def test_every_problem_of_a_body_is_named_by_its_path(
    definition: Definition, body: object, problems: dict[str, str]
) -> None:
    assert schema.problems(definition, body) == {path: [error] for path, error in problems.items()}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b"{'a': 1}",
        b'{"a": 1} x',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"[" * 202 + b"]" * 202,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reason is the decoder's
        schema.decode(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b' {"a": [1, 2.5, true, null, "\\u00e9"]} ', {"a": [1, 2.5, True, None, "é"]}),
        ('"é"'.encode(), "é"),
        (b"1e2", 100.0),
    ],
)
def test_json_is_read(body: bytes, value: object) -> None:
    assert schema.decode(body) == value


def test_two_hundred_levels_are_read() -> None:
    value = schema.decode(b"[" * 201 + b"]" * 201)
    for _ in range(200):
        (value,) = value
    assert value == []
