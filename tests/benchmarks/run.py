"""``make bench``: every benchmark, one after the other."""

import sys

from tests.benchmarks import (
    code,
    file_search,
    helpers,
    http,
    live,
    responsiveness,
    start,
    streams,
    tracing,
)

benchmarks = [start, helpers, http, code, file_search, live, streams, tracing]
if sys.platform == "linux":
    benchmarks.append(responsiveness)
for benchmark in benchmarks:
    benchmark.main()
    print()
