"""``make bench``: every benchmark, one after the other."""

from tests.benchmarks import code, helpers, http, start

for benchmark in (start, helpers, http, code):
    benchmark.main()
    print()
