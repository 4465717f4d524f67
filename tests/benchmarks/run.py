"""``make bench``: every benchmark, one after the other."""

from tests.benchmarks import code, file_search, helpers, http, live, start, streams, tracing

for benchmark in (start, helpers, http, code, file_search, live, streams, tracing):
    benchmark.main()
    print()
