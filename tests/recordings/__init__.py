"""What the hosted Assistants API answered: which keys, and which values by default.

Each module is written by hand from what others recorded or printed, and names its source. `ANY` is a
value that differs each time. Where OpenAI's published description says something else, the recording
holds, and a comment says so. "Traceloop, 31 March 2026" stands for the HTTP recordings in
https://github.com/traceloop/openllmetry, in
packages/opentelemetry-instrumentation-openai/tests/traces/cassettes/test_assistant.
"""
