"""What all HTTP endpoints of ours share: serving, limits, strict JSON, errors in OpenAI's shape."""
