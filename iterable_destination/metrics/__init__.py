"""Figures of delivery for monitoring: Prometheus, or OpenTelemetry.

What lives here: what there is to see (``names``: names, units, labels), what a destination and an
outbox say of it (``readings``), and who hands it on, each with the one package that it needs:
:mod:`~iterable_destination.metrics.prometheus` and
:mod:`~iterable_destination.metrics.opentelemetry`. No label has a value of an event. This package
imports ``delivery`` and the packages below it.
"""
