"""A Segment event becomes Iterable calls.

``classic`` has the rules of Segment's classic destination, ``actions`` those of "Iterable
(Actions)"; neither knows of the other. ``translate`` chooses between them, ``function`` lets users
put code of their own around either. Pure. It imports ``model`` and ``errors``.
"""
