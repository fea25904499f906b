"""The gate in front of a marketplace: one decision path, and the doors that lead through it.

Holds no rules about who may rent (core does) and remembers nothing (store does).
"""
