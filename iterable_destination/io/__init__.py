"""One request, one file. Nothing here decides what is sent, or when.

HTTP clients of Iterable and Segment, the outbox, dead letters, checkpoints, input files, and the
locks and lifecycles that they need. It imports ``model`` and ``errors``.
"""
