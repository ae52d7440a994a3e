"""The commands, one module each: ``add_options`` describes, ``run`` does and returns the exit code."""
