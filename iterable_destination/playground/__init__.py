"""The playground: a page that shows what events become, over a local Iterable.

What lives here: the application (:mod:`~iterable_destination.playground.app`), what its pages show
(``views``, ``users``, ``marks``), and a server for it on this machine. HTML is made by the server
from ``templates``; ``static`` has the scripts. What an event becomes is decided elsewhere: the
facts and the words are those of :mod:`~iterable_destination.mapping.explanation`.
"""
