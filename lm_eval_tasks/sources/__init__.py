"""Sources of episodes: what a task is made of."""
