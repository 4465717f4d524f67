"""Cursor pages: what a list endpoint takes, and what it answers."""

from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from assistants_server.store import Page

T = TypeVar("T")


class Cursor(BaseModel):
    """The query parameters of a list; any other is refused."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


Paging = Annotated[Cursor, Query()]


class ListPage(BaseModel, Generic[T]):
    """The body of a list answer."""

    object: Literal["list"] = "list"
    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, page: Page) -> "ListPage[T]":
        return cls(
            data=page.items,
            first_id=page.items[0].id if page.items else None,
            last_id=page.items[-1].id if page.items else None,
            has_more=page.has_more,
        )
