"""Finds listed parties behind names that are misspelt, reordered, joined or in another script.

Decides nothing about a renter: it scores, bands and explains; policy and people decide.
"""
