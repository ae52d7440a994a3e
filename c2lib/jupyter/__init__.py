"""Notebooks: the papermill engine, and what a notebook calls."""
