"""Attacks on what the server promises: each test makes one, and passes when it fails.

Each was seen to succeed before it was defended against. Those on the sandbox run with bwrap, and
without it where that is possible.
"""
