"""Events in, one outcome each out.

``destination`` is the public interface. ``prepare`` makes an event ready, ``engine`` decides which
request goes next, and the workers send it. It imports ``io``, ``mapping``, ``source``, ``model``
and ``errors``.
"""
