"""The Iterable source: Iterable's webhooks in, Segment track calls out.

What may live here: nothing but the public names.
"""

from iterable_destination.model.segment_track import Ignored, SegmentTrack
from iterable_destination.source.options import SourceOptions
from iterable_destination.source.translate import to_segment

__all__ = ["Ignored", "SegmentTrack", "SourceOptions", "to_segment"]
