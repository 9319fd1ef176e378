"""FQL, the language of triggers: which events a subscription is for.

``lexer`` splits a trigger into tokens, ``parser`` builds conditions from them, and ``conditions``
evaluates these for an event.
"""
