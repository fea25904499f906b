"""Permits for the operator's escrow contract, revocations published to it, and the contract itself.

Decides about nobody: a permit is made out of an allowance, a revocation out of the outbox.
"""
