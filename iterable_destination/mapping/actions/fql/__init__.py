"""FQL, the language in which a subscription says which events fire it.

``lexer`` splits a trigger into tokens, ``parser`` reads them, ``conditions`` evaluates what comes
of that.
"""
