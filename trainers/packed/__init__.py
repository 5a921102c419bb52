"""Packed training: K adapters on one frozen base, in one forward and one backward pass."""
