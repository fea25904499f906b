"""Marketplaces: for each, which route means what and how its clients are spoken to.

Decides nothing about callers.
"""
