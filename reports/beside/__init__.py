"""Two finished runs side by side: whether they may be compared, and what became of each example.

layers -> pairing -> words -> commands
"""
