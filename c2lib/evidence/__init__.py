"""Turns what the witness saw into claims, pictures and a draft; it returns text and bytes, and writes nothing."""
