"""``make bench``: every benchmark, one after the other."""

from tests.benchmarks import helpers, http, start

for benchmark in (start, helpers, http):
    benchmark.main()
    print()
