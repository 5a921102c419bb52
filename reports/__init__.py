"""Shows a run: pure functions of a run directory. Imports neither torch nor pytest, opens no connection.

run directory -load-> Run -page-> Page -html-> one HTML file
run.json -terminal-> verdict table
"""
