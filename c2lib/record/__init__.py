"""How facts become lines, files and hashes; nothing that is written here is read back here."""
