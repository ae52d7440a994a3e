"""Reads what the actor left and checks it by its own arithmetic; it never imports the actor."""
