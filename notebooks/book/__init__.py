"""Tools for the notebooks as a book: run and render them, keep their outputs and links."""
