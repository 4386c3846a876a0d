"""The process of a run: its signals, its threads, the other processes of its job, and trackers of its metrics."""
