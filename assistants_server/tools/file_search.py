"""The file search tool: what it looks through, what the model reads, what a message cites."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from openai.types.beta import FileSearchTool as Settings
from openai.types.beta.threads import FileCitationAnnotation
from openai.types.beta.threads.file_citation_annotation import FileCitation
from openai.types.beta.threads.runs import (
    FileSearchToolCall,
    FileSearchToolCallDelta,
    ToolCall,
)
from openai.types.beta.threads.runs.file_search_tool_call import (
    FileSearch,
    FileSearchRankingOptions,
    FileSearchResult,
    FileSearchResultContent,
)
from pydantic import Field

from assistants_server.file_search import Hit
from assistants_server.marks import MARK, mark, place
from assistants_server.store import NotFound
from assistants_server.tools.tool import Call, Context, Tool, ToolError
from assistants_server.web.fields import Body

MOST_RESULTS = 20
LONGEST_QUERY = 4096  # characters, as in a search over HTTP; a model's longer one is cut
SECONDS_TO_READ = 60  # for files that have just been added


class RankingOptions(Body):
    ranker: Literal["auto", "default_2024_08_21"] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)]


class FileSearchOptions(Body):
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None


class FileSearchRequest(Body):
    type: Literal["file_search"]
    file_search: FileSearchOptions | None = None


class FileSearchTool(Tool[Settings, FileSearchToolCall]):
    """Searches the vector stores of the assistant and the thread."""

    type = "file_search"
    description = (
        "Search the user's documents for passages about something. Each passage that "
        "you get begins with its mark. Where you use one, put its mark behind what you say."
    )
    properties = {"query": {"type": "string", "description": "what to look for"}}
    request_model = FileSearchRequest
    settings_model = Settings
    record_model = FileSearchToolCall
    delta_model = FileSearchToolCallDelta

    async def carry_out(self, call: Call) -> FileSearchToolCall:
        """Search the documents.

        Raises:
            ToolError: one of the vector stores has expired.
        """
        library, stores = self.context.library, await self._stores()
        await library.ready(stores, SECONDS_TO_READ)
        options = self.settings.file_search
        ranking = FileSearchRankingOptions(ranker="auto", score_threshold=0.0)
        if options and options.ranking_options:
            ranking.score_threshold = options.ranking_options.score_threshold
            ranking.ranker = options.ranking_options.ranker or ranking.ranker
        most = (options and options.max_num_results) or MOST_RESULTS
        hits = await library.search(stores, _query(call), most, threshold=ranking.score_threshold)
        record = self.record(call)
        record.file_search = FileSearch(ranking_options=ranking, results=[_result(h) for h in hits])
        return record

    async def _stores(self) -> list[str]:
        """Return the ids of the vector stores to search, without those that have been deleted."""
        named: dict[str, None] = {}
        for resources in self.context.resources():
            if resources.file_search:
                named |= dict.fromkeys(resources.file_search.vector_store_ids or ())
        found = []
        for store_id in named:
            try:
                if (await self.context.library.get(store_id)).status == "expired":
                    raise ToolError(f"The vector store {store_id} has expired. Create a new one.")
                found.append(store_id)
            except NotFound:
                continue
        return found

    @classmethod
    def record(cls, call: Call) -> FileSearchToolCall:
        return FileSearchToolCall(id=call.id, type="file_search", file_search=FileSearch())

    @classmethod
    def output(cls, record: FileSearchToolCall, number: int) -> str:
        passages = [
            f"{mark(number, index, result.file_name)}\n{_text(result)}"
            for index, result in enumerate(record.file_search.results or [])
        ]
        return "\n\n".join(passages) or "Nothing in the documents fits."

    @classmethod
    def outcome(cls, record: FileSearchToolCall) -> object:
        results = cls.public(record).file_search.results or []
        return {"results": [result.model_dump(exclude_none=True) for result in results]}

    @classmethod
    def annotations(
        cls, context: Context, text: str, records: Sequence[ToolCall]
    ) -> Iterator[FileCitationAnnotation]:
        """Yield a citation for each mark that stands for a passage which was found."""
        for found in MARK.finditer(text):
            call, passage = place(found[0])
            record = records[call] if call < len(records) else None
            results = record.file_search.results if isinstance(record, FileSearchToolCall) else None
            if results and passage < len(results):  # or the model has made it up
                yield FileCitationAnnotation(
                    type="file_citation",
                    text=found[0],
                    start_index=found.start(),
                    end_index=found.end(),
                    file_citation=FileCitation(file_id=results[passage].file_id),
                )

    @classmethod
    def public(cls, record: FileSearchToolCall) -> FileSearchToolCall:
        """Return the call without the passages that were found."""
        record = record.model_copy(deep=True)
        for result in record.file_search.results or []:
            result.content = None
        return record


TOOL = FileSearchTool


def _query(call: Call) -> str:
    try:
        query = str(call.argument("query"))
    except ValueError:
        query = call.arguments
    return query[:LONGEST_QUERY]


def _result(hit: Hit) -> FileSearchResult:
    content = FileSearchResultContent(type="text", text=hit.text)
    return FileSearchResult(
        file_id=hit.file_id, file_name=hit.name, score=hit.score, content=[content]
    )


def _text(result: FileSearchResult) -> str:
    return "".join(part.text or "" for part in result.content or [])
