"""``make bench``: every benchmark, one after the other."""

import sys

from tests.benchmarks import (
    code,
    deletions,
    file_search,
    helpers,
    http,
    live,
    prefix,
    prompt,
    responsiveness,
    start,
    streams,
    tracing,
)

benchmarks = [
    start,
    helpers,
    http,
    prompt,
    prefix,
    code,
    file_search,
    live,
    streams,
    tracing,
    deletions,
]
if sys.platform == "linux":
    benchmarks.append(responsiveness)
for benchmark in benchmarks:
    benchmark.main()
    print()
