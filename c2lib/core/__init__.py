"""The facts, vocabularies and tables that every other folder shares; it imports nothing of c2lib outside itself."""
