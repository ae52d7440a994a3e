"""Keeps the checks in a browser, which are scripts, out of pytest's collection."""

collect_ignore_glob = ["*.py"]
