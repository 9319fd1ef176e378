"""The delivery engine: which request goes next, and what follows from its response. Sans-I/O.

It has no clock, thread, lock or connection. A driver (:mod:`iterable_destination.delivery`) adds
envelopes to a :class:`~.scheduler.Scheduler`, asks it for the next :class:`~.envelope.Batch`, makes
that request, and reports the response or the error. It imports ``model`` and ``errors``.

Theory of operation
===================

An event becomes an *envelope* with *calls* and *ordering keys*: the names of its user, and a key
that the caller may give. Keys that came in one event are *linked*: they are one user's from then
on, for all schedulers of a destination. Envelopes of one user wait in one *user queue*, in order of
arrival. A user queue is in one of four states::

                       add()                        take()
            ┌────────┐ ────────▶ ┌───────────────┐ ────────▶ ┌─────────────┐
            │  idle  │           │    waiting    │           │  in flight  │
            └────────┘ ◀──────── └───────────────┘ ◀──────── └─────────────┘
                 ▲      nothing      │     ▲      requeue()        │
                 │      waits        │     │      or settled,      │ settled as retryable
                 │                   │     │      more waits       │ or unknown
                 │                   ▼     └─ (if not kept)        ▼
                 │               ┌──────────────────────────────────────┐
                 └────────────── │                paused                │
                   all settled   └──────────────────────────────────────┘

- *idle*: nothing waits and nothing is in flight. The queue is forgotten, unless it stays paused.
- *waiting*: it stands in the *endpoint queue* of its next call, with as many envelopes as can go in
  one request (``batchable``).
- *in flight*: some of its envelopes are in a request that has no result yet. Nothing else of this
  user goes.
- *paused*: an envelope ended as retryable or unknown. What waits is settled as retryable at once,
  so that the caller can hand in all of it again, in order. ``DeliveryPolicy.keeps_paused`` says
  whether later arrivals are paused too.

An endpoint queue forms a batch of the user queues that wait there. The batch goes when the circuit
breaker and the rate limiter allow it, and when waiting for more envelopes gains nothing. Few
envelopes go singly instead, where the rate limits make that quicker. A batch that fails waits for
its retry (backoff), or is split to find the item at fault, or is given up. What the response to a
bulk leaves open goes singly. A refusal for an unknown user is retried while the user is a recent
one: identified through this policy less than a minute ago.

Invariants, which ``tests/delivery/engine/test_scheduler.py`` checks against random histories:

1. A user has at most one request in flight, and a user's calls go out in order of arrival.
2. Every envelope is settled exactly once, a user's in order of arrival.
3. An envelope is settled as delivered only by a response that accepts it, whatever else the
   response could mean.
4. An event with a call that may have been applied without a response is never settled as
   retryable.
5. ``pending`` is the number of envelopes without an outcome.
6. When two user queues are found to be one user's, be it by an event of another scheduler, they
   merge before the user's next envelope: the envelopes keep their order, and the merged queue waits
   until the requests of both have ended.
"""
