"""Who a renter is: cases, the evidence behind them, and the attestations that follow.

Decides about people, never about a rental.
"""
