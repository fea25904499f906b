"""The demonstration: a small marketplace and the story told on it. Nothing depends on this room."""
