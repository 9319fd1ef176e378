"""The command line, ``iterable-destination``.

What lives here: arguments, lines in and lines out, exit statuses. It needs the extra ``[cli]``, and
may import every other package. Nothing imports it.
"""
