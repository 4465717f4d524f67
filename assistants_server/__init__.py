"""OpenAI's Assistants API, served on this machine and built on the Responses API.

Any OpenAI client, in any language, can talk to it over HTTP. It knows nothing of the notebooks
and helpers that use it.
"""

__version__ = "1.0.0"
