"""Hypothesis gives the same examples every time and knows no wall clock."""

from hypothesis import settings

settings.register_profile("c2lib", deadline=None, derandomize=True, database=None)
settings.load_profile("c2lib")
