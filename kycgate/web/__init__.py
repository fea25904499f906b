"""The control plane: the pages renters see, and the JSON API their tools speak.

Decides nothing about rentals itself: it proves who is asking, then hands the question to the
rooms behind its ports. The application is `kycgate.web.app.create_app(parts)`.
"""
