"""Translate a Segment event to Iterable calls.

``classic`` has the rules of Segment's classic destination, ``actions`` those of "Iterable
(Actions)"; they do not import each other. ``translate`` chooses between them. ``function`` lets
users put their own code around either. This package is pure, and imports ``model`` and ``errors``.
"""
