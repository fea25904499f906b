"""Proof of identity by a credential in the renter's own wallet, verified here and nowhere else.

Keeps no names: what a credential said is handed to the identity office and forgotten. The rules
(`cbor`, `cose`, `jose`, `chain`, `mdoc`, `sdjwt`, `transcript`, `persons`, `query`, `statuslist`)
touch no clock, network or disk; `presentations` carries a presentation from request to outcome.
"""
