"""The JSON API under /v1: one file per thing it speaks of; `routes.py` lists every route."""
