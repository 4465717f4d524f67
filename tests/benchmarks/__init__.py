"""Benchmarks, run by ``make bench``. They measure and print; they assert nothing."""
