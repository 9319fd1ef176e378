"""Code as users write it, for type checkers: mypy and pyright must accept all of it."""
