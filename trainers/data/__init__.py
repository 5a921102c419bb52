"""Rows that the demo's adapter learns from, and the generator that wrote them."""
