"""The page of mapped destinations says what the tables of the code say."""

from __future__ import annotations

from iterable_destination.mapping.actions import ACTIONS, PRESETS
from iterable_destination.mapping.actions.fields import FIELDS
from iterable_destination.mapping.actions.fql.parser import read_trigger
from iterable_destination.mapping.actions.mapping_kit.compiler import DIRECTIVES
from iterable_destination.model import endpoints
from iterable_destination.model.calls import TrackEvent, TrackPurchase, UpdateCart, UpdateUser
from tests.project.test_docs import REFERENCE, code, rows, section

PAGE = REFERENCE["reference/mappings.md"]
PATHS = {
    "trackEvent": TrackEvent.endpoint.path,
    "updateUser": UpdateUser.endpoint.path,
    "updateCart": UpdateCart.endpoint.path,
    "trackPurchase": TrackPurchase.endpoint.path,
    "updateSubscriptions": endpoints.SUBSCRIPTIONS.path,
    "updateSubscription": endpoints.SUBSCRIPTIONS.path,
}


def test_the_page_names_every_action_with_its_fields() -> None:
    table = [row for row in rows(section(PAGE, "## Actions")) if set(code(row[0])) & set(ACTIONS)]
    written = [(code(row[0])[0], code(row[1])[0], code(row[2])[0]) for row in table]
    assert written == [(slug, name, PATHS[slug]) for slug, name in ACTIONS.items()]
    assert {code(row[0])[0]: code(row[3]) for row in table} == {
        slug: [field.name for field in fields] for slug, fields in FIELDS.items()
    }
    required = {
        code(row[0])[0]: [code(part)[0] for part in row[3].split(",") if part.endswith("*")]
        for row in table
    }
    assert required == {
        slug: [field.name for field in fields if field.required] for slug, fields in FIELDS.items()
    }


def test_the_page_describes_every_field() -> None:
    table = rows(section(PAGE, "## Actions").partition("| Field ")[2])
    described = {name for row in table if len(row) == 4 for name in code(row[0])}
    assert described == {field.name for fields in FIELDS.values() for field in fields}


def test_the_page_names_every_preset() -> None:
    table = [row for row in rows(section(PAGE, "## Presets")) if code(row[0])]
    written = [tuple(code(cell)[0] for cell in row) for row in table]
    assert written == [(each.name, each.trigger, each.action) for each in PRESETS]


def test_the_page_names_every_directive() -> None:
    table = [row for row in rows(section(PAGE, "## Directives")) if row[0].startswith("`@")]
    assert [code(row[0])[0] for row in table] == list(DIRECTIVES)


def test_the_triggers_of_the_page_can_be_read() -> None:
    table = [row for row in rows(section(PAGE, "## Triggers")) if "…" not in row[0]]
    triggers = [code(row[0])[0] for row in table if code(row[0])]
    assert len(triggers) > 7
    for trigger in triggers:
        read_trigger(trigger)
