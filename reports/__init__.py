"""Shows: a run directory in, one self-contained HTML file out. Imports neither torch nor pytest."""
