"""Whether a name or wallet stands on a list, and which GPUs and countries are controlled.

Decides nothing: it reports hits and classes; policy and people draw the conclusions.
"""
