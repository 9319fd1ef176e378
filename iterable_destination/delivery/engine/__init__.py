"""Which request goes out next, and what follows from its response. Sans-I/O."""
