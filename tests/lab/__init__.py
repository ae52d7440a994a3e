"""The notebooks in a real browser: ``make test-lab``, and the pictures of the docs, ``make screenshots``."""
