"""Arrays that are slow to make, kept on disk: written whole, and verified against their checksums when read."""
