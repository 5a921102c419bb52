"""Trains: configurations in, adapter directories out, each in a process of its own."""
