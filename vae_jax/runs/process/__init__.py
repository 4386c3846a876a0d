"""The process that a run lives in: its signals, its threads, the other processes of its job, where else metrics go."""
