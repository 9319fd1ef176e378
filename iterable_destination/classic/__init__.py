"""The classic mapping: what Segment's classic Iterable destination sends, key for key."""

from iterable_destination.classic.routes import translate

__all__ = ["translate"]
