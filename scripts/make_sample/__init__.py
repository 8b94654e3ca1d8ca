"""Writes the embedded sample: `python -m scripts.make_sample` in the repository's root.

Seeded: the same source gives the same bytes. Nothing here is imported by the installed packages.
"""
