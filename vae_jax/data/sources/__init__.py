"""Where data sets come from: one module per set, and one per kind of file, folder or library that holds others."""
