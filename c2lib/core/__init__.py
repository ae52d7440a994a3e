"""The facts, vocabularies and tables that every other room shares; it imports nothing of c2lib outside itself."""
