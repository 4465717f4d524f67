"""What can go wrong between the server and its file."""


class StoreError(Exception):
    """The database cannot be used. The message says what to do."""


class Busy(StoreError):
    """Another process holds the lock on writing."""


class Unwritable(StoreError):
    """Nothing can be written, because the disk is full or cannot be written to."""


class Unreadable(StoreError):
    """A row is there, but it is not an object any more."""


class Unstorable(StoreError):
    """The object could not be read again if it were stored."""


class NotFound(LookupError):
    """No object of that kind has that id."""

    def __init__(self, noun: str, id: str) -> None:
        super().__init__(f"No {noun} found with id '{id}'.")
        self.id = id
