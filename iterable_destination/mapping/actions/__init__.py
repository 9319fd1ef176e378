"""The mapped destination: Segment's "Iterable (Actions)", with the user's own mappings."""

from iterable_destination.mapping.actions.explain import Explanation, explain
from iterable_destination.mapping.actions.presets import DEFAULT_MAPPINGS, PRESETS_JSON
from iterable_destination.mapping.actions.subscriptions import (
    ACTIONS,
    MAX_SUBSCRIPTIONS,
    PRESETS,
    Subscription,
    subscriptions_from_json,
)
from iterable_destination.mapping.actions.translator import MappedTranslator

__all__ = [
    "ACTIONS",
    "DEFAULT_MAPPINGS",
    "MAX_SUBSCRIPTIONS",
    "PRESETS",
    "PRESETS_JSON",
    "Explanation",
    "MappedTranslator",
    "Subscription",
    "explain",
    "subscriptions_from_json",
]
