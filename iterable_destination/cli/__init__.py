"""The command line, ``iterable-destination``.

It needs the extra ``[cli]``, and may import everything else. Nothing imports it.
"""
