"""The Iterable source: Iterable's webhooks in, Segment track calls out.

What may live here: nothing but the public names.
"""

from iterable_destination.source.options import SourceOptions
from iterable_destination.source.track import Ignored, SegmentTrack
from iterable_destination.source.translation import to_segment

__all__ = ["Ignored", "SegmentTrack", "SourceOptions", "to_segment"]
