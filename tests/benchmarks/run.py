"""``make bench``: every benchmark, one after the other."""

from tests.benchmarks import code, helpers, http, live, start, streams, tracing

for benchmark in (start, helpers, http, code, live, streams, tracing):
    benchmark.main()
    print()
