"""The upstream for when there is no key: the tutor, behind OpenAI's own endpoints."""
