"""What can go wrong between the server and its file."""


class StoreError(Exception):
    """The database cannot be used. The message says what to do."""


class NotFound(LookupError):
    """No object of that kind has that id."""

    def __init__(self, noun: str, id: str) -> None:
        super().__init__(f"No {noun} found with id '{id}'.")
        self.id = id
