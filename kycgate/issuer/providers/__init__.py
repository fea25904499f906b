"""Hosted identity providers behind one small Protocol: Sumsub, Persona, Stripe Identity, others.

Takes no decision about a case. Further providers are entry points of the group
`kycgate.identity_providers`; see `base.Provider` for what one promises.
"""
