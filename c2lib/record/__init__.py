"""How facts become lines, files and hashes; what is written here is never read back here."""
