"""Plans: what a training will take in memory, time and money, what would make it fit, and what guides claim of it."""
