"""Translate Iterable's webhooks to Segment track calls.

``translate`` is the entry point, and ``collections`` the table of Iterable's events. This package
is pure, and imports ``model`` and ``errors``.
"""

from iterable_destination.model.segment_track import Ignored, SegmentTrack
from iterable_destination.source.options import SourceOptions
from iterable_destination.source.translate import to_segment

__all__ = ["Ignored", "SegmentTrack", "SourceOptions", "to_segment"]
