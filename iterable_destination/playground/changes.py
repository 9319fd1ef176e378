"""What the local Iterable applies, as a stream of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from iterable_destination.model.json_codec import encode
from iterable_destination.playground import views
from iterable_destination.testing import Effect, Project

#: Seconds between two looks.
_POLL: Final = 0.25
#: Looks after which something is sent, so that a page that is gone is noticed.
_KEEP_ALIVE: Final = 60
#: Effects that are sent to a page that begins, the newest ones.
_BACKLOG: Final = 50


async def stream_changes(project: Project) -> AsyncIterator[bytes]:
    """Yield server-sent events, one for each effect: its number, its users' names, and its HTML."""
    known = max(0, project.effect_count - _BACKLOG)
    idle = 0
    yield b"retry: 1000\n\n"
    while True:
        effects = project.effects_since(known)
        for effect in effects:
            yield _write(effect)
        known = effects[-1].number + 1 if effects else known
        idle = 0 if effects else idle + 1
        if idle % _KEEP_ALIVE == _KEEP_ALIVE - 1:
            yield b":\n\n"
        await asyncio.sleep(_POLL)


def _write(effect: Effect) -> bytes:
    names = [name for name in (effect.email, effect.user_id) if name is not None]
    content = {"number": effect.number, "users": names, "html": views.show_effect(effect)}
    return b"data: " + encode(content) + b"\n\n"
