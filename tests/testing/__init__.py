"""Tests of the local Iterable."""
