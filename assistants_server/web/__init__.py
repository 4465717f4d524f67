"""Code shared by all HTTP endpoints: serving, size limits, JSON parsing and error responses."""
