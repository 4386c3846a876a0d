"""From flags to an experiment: what was chosen, checked once, and put together."""
