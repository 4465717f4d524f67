"""Headers of every answer. Source: Traceloop, 31 March 2026, all recordings."""

PATTERNS = {
    "x-request-id": "req_[0-9a-f]{32}",
    "openai-processing-ms": "[0-9]+",
    "openai-version": "2020-10-01",
    "openai-organization": ".+",
}
