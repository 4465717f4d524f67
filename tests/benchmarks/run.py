"""``make bench``: every benchmark, one after the other."""

from tests.benchmarks import code, helpers, http, start, tracing

for benchmark in (start, helpers, http, code, tracing):
    benchmark.main()
    print()
