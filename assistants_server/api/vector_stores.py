"""``/vector_stores``: create, list, retrieve, modify, delete, search."""

from typing import Annotated, Literal

from fastapi import APIRouter
from openai.types import VectorStoreDeleted, VectorStoreSearchResponse
from pydantic import AfterValidator, BaseModel, Field

from assistants_server.api import fields
from assistants_server.api.context import SECONDS_TO_WAIT, TheLibrary, TheStore
from assistants_server.api.lists import ListPage, Paging
from assistants_server.file_search import VectorStore, telling
from assistants_server.store import Page, VectorStoreRow
from assistants_server.web.errors import ApiError
from assistants_server.web.fields import Body, WithMetadata
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1/vector_stores", route_class=StrictRoute)

MOST_QUERIES, MOST_COMPARISONS, MOST_VALUES = 16, 100, 1000

Number = Annotated[float, Field(allow_inf_nan=False)]
Attributes = Annotated[
    dict[
        Annotated[str, Field(max_length=64)],
        Annotated[str, Field(max_length=512)] | Number | bool,
    ],
    Field(max_length=16),
]
Query = Annotated[str, Field(max_length=4096)]
MostResults = Annotated[int, Field(ge=1, le=50)]


class ExpiresAfter(Body):
    anchor: Literal["last_active_at"]
    days: Annotated[int, Field(ge=1, le=365)]


class Comparison(Body):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str
    value: str | Number | bool | Annotated[list[str | Number], Field(max_length=MOST_VALUES)]


class Compound(Body):
    type: Literal["and", "or"]
    filters: list["Comparison | Compound"]


def _checked(filter: Comparison | Compound | None) -> Comparison | Compound | None:
    """Refuse a filter that would take long, since it is applied to many files."""
    layer, seen = [filter] if filter else [], 0
    while layer:
        seen += len(layer)
        if seen > MOST_COMPARISONS:
            raise ValueError(f"it has more than {MOST_COMPARISONS} comparisons")
        layer = [each for part in layer if isinstance(part, Compound) for each in part.filters]
    return filter


class ModifyStore(WithMetadata):
    name: fields.Name | None = None
    expires_after: ExpiresAfter | None = None


class CreateStore(ModifyStore):
    description: fields.Description | None = None
    file_ids: fields.FileIds = []
    chunking_strategy: fields.Strategy | None = None


class SearchRanking(Body):
    ranker: Literal["none", "auto", "default-2024-11-15"] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


class Search(Body):
    query: Query | Annotated[list[Query], Field(max_length=MOST_QUERIES)]
    max_num_results: MostResults = 10
    filters: Annotated[Comparison | Compound | None, AfterValidator(_checked)] = None
    ranking_options: SearchRanking | None = None
    rewrite_query: bool = False  # "What is a ring?" becomes "ring", which is what is searched for


class Results(BaseModel):
    """The page of what was found."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[VectorStoreSearchResponse]
    has_more: bool = False
    next_page: str | None = None


@router.post("")
async def create(library: TheLibrary, body: CreateStore | None = None) -> VectorStore:
    return await library.create(**body.model_dump(exclude_none=True) if body else {})


@router.get("")
async def list_all(cursor: Paging, store: TheStore, library: TheLibrary) -> ListPage[VectorStore]:
    page = store.page(VectorStoreRow, **cursor.model_dump())
    counted = [await library.counted(row) for row in page.items]
    return ListPage[VectorStore].of(Page(counted, page.has_more))


@router.get("/{vector_store_id}")
async def retrieve(vector_store_id: str, library: TheLibrary) -> VectorStore:
    return await library.get(vector_store_id)


@router.post("/{vector_store_id}")
async def modify(
    vector_store_id: str, body: ModifyStore, store: TheStore, library: TheLibrary
) -> VectorStore:
    async with store.writing(SECONDS_TO_WAIT):
        before = store.get(VectorStoreRow, vector_store_id)
        given = body.given()
        if body.name is None:  # a store always has a name, so null leaves it
            given.pop("name", None)
        store.update(VectorStoreRow.model_validate({**before.model_dump(), **given}))
    return await library.get(vector_store_id)


@router.delete("/{vector_store_id}")
async def delete(vector_store_id: str, library: TheLibrary) -> VectorStoreDeleted:
    await library.delete(vector_store_id)
    return VectorStoreDeleted(id=vector_store_id, deleted=True, object="vector_store.deleted")


@router.post("/{vector_store_id}/search")
async def search(vector_store_id: str, body: Search, library: TheLibrary) -> Results:
    if (await library.get(vector_store_id)).status == "expired":
        raise ApiError(400, f"Vector store {vector_store_id} has expired. Create a new one.")
    queries = [body.query] if isinstance(body.query, str) else body.query
    threshold = body.ranking_options.score_threshold if body.ranking_options else 0.0
    filters = body.filters.model_dump() if body.filters else None
    hits = await library.search(
        [vector_store_id], " ".join(queries), body.max_num_results, filters, threshold
    )
    found = [
        VectorStoreSearchResponse.model_validate(
            {
                "file_id": hit.file_id,
                "filename": hit.name,
                "score": hit.score,
                "attributes": hit.attributes,
                "content": [{"type": "text", "text": hit.text}],
            }
        )
        for hit in hits
    ]
    if body.rewrite_query:
        queries = [" ".join(telling(query)) for query in queries]
    return Results(search_query=queries, data=found)
