"""The crash campaign, run by ``make soak``: servers under load are killed again and again.

Linux only: it adopts what a killed server leaves running, which no other system allows.
"""
