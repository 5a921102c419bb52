"""Draws: values in, figures out. Declared with Altair, drawn by vl-convert as static SVG without scripts.

canvas (colours, SVG that is safe in a page) -> spans, steps, curves, plane, parallel, grid
"""
