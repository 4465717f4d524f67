"""Errors of the store."""


class StoreError(Exception):
    """The database cannot be used. The message says what to do."""


class Busy(StoreError):
    """Another process holds SQLite's write lock."""


class Unwritable(StoreError):
    """The disk is full or read-only."""


class Unreadable(StoreError):
    """The row exists, but its JSON is not a valid object."""


class Unstorable(StoreError):
    """The object was rejected because its JSON could not be read back."""


class NotFound(LookupError):
    """No object of this kind has this id."""

    def __init__(self, noun: str, id: str) -> None:
        super().__init__(f"No {noun} found with id '{id}'.")
        self.id = id
