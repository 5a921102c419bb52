"""Blind sheets: people compare two models' answers in a spreadsheet without knowing whose they are.

run directory -drawing-> sheet.csv + sheet.key.json -people-> sheet.csv -scoring-> wins, ties, losses
"""
