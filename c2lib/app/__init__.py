"""The composition root: everything that touches disk, terminal, papermill or the wall clock."""
