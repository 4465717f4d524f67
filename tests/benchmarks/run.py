"""``make bench``: every benchmark, one after the other."""

from tests.benchmarks import code, helpers, http, live, start, tracing

for benchmark in (start, helpers, http, code, live, tracing):
    benchmark.main()
    print()
