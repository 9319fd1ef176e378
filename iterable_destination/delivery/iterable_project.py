"""An Iterable project as the target of delivery."""

from __future__ import annotations

from typing import Any, Final

import attrs

from iterable_destination.delivery.prepare import Header
from iterable_destination.mapping.translate import Translate
from iterable_destination.model.calls import Call, EncodedCall, encode_call
from iterable_destination.model.segment_event import read_header
from iterable_destination.model.settings import Settings
from iterable_destination.model.translation import Translation

DELIVERY_IS_OFF: Final = "delivery is off: the setting enabled (ITERABLE_ENABLED) is false"


class IterableProject:
    """Iterable as the target of delivery; nothing is sent to it if delivery is off."""

    def __init__(self, settings: Settings, translator: Translate) -> None:
        self._settings: Final = settings
        self._translator: Final = translator

    def translate(self, event: Any) -> Translation:
        """Translate an event; raises :exc:`Invalid` or :exc:`FunctionError` if it refuses it."""
        translation = self._translator(event, self._settings)
        if self._settings.enabled or not translation.calls:
            return translation
        identity = translation.calls[0].identity
        return Translation(
            translation.message_id,
            skipped=DELIVERY_IS_OFF,
            notes=translation.notes,
            identity=identity,
        )

    def encode(self, call: Call, default_id: str | None) -> EncodedCall:
        """Encode a call, with an id if it has none of its own."""
        return encode_call(call, default_id)

    def read_header(self, event: Any) -> Header:
        """Return the ``messageId`` and identity of an event that is not translated."""
        return read_header(event)


def with_any_key(settings: Settings) -> Settings:
    """Return settings by which a client can be made although nothing is ever sent with its key."""
    if settings.enabled or settings.api_key is not None:
        return settings
    return attrs.evolve(settings, api_key="none")
