"""The directives of a mapping, such as ``@path`` and ``@template``.

``compiler`` reads a mapping once; what it returns is applied to every event.
"""
