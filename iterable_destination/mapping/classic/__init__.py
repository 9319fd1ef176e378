"""The classic mapping: what Segment's classic Iterable destination sends, key for key."""

from iterable_destination.mapping.classic.routes import translate

__all__ = ["translate"]
