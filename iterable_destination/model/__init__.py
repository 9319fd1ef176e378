"""Values, and what can be said of one value alone.

Endpoints and their limits, settings, events, calls, dates, JSON, outcomes. Nothing here turns an
event into a call, and nothing decides when a call is sent. Pure: no clock, network, disk, thread or
chance, but for ``settings``, which reads the environment. It imports ``errors`` only.
"""
