"""The file search tool: what it looks through, what the model reads, what a message cites."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal

from openai.types import beta
from openai.types.beta import file_search_tool
from openai.types.beta.threads import runs
from openai.types.beta.threads.runs.file_search_tool_call import FileSearchResult
from pydantic import Field

from assistants_server.marks import BEGINNING, MARK, is_of, mark, place
from assistants_server.store import NotFound
from assistants_server.tools.annotator import Places, beginning
from assistants_server.tools.tool import Call, Context, Tool, ToolError
from assistants_server.web.fields import Body
from assistants_server.web.shown import LeftOut, OrDefault

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


class Ranking(file_search_tool.FileSearchRankingOptions):
    ranker: Annotated[Literal["auto", "default_2024_08_21"], OrDefault] = "default_2024_08_21"
    score_threshold: float = 0.0


class Options(file_search_tool.FileSearch):
    max_num_results: Annotated[int | None, LeftOut] = None
    ranking_options: Annotated[Ranking, OrDefault] = Ranking()


class FileSearchSettings(beta.FileSearchTool):
    file_search: Annotated[Options, OrDefault] = Options()


class FileSearchTool(Tool):
    """Searches the vector stores of the assistant and the thread."""

    type = "file_search"
    description = (
        "Search the user's documents for passages about something. Each passage that "
        "you get begins with its mark. Where you use one, put its mark behind what you say."
    )
    properties = {"query": {"type": "string", "description": "what to look for"}}
    request_model = FileSearchRequest
    settings_model = FileSearchSettings
    record_model = runs.FileSearchToolCall
    delta_model = runs.FileSearchToolCallDelta

    async def carry_out(self, call: Call) -> runs.FileSearchToolCall:
        """Search the documents; raise `ToolError` if one of the vector stores has expired."""
        library, stores = self.context.library, await self._stores()
        await library.ready(stores, SECONDS_TO_READ)
        options: Options = self.settings.file_search
        ranking, most = options.ranking_options, options.max_num_results or MOST_RESULTS
        hits = await library.search(stores, _query(call), most, threshold=ranking.score_threshold)
        results = [
            {"file_id": hit.file_id, "file_name": hit.name, "score": hit.score}
            | {"content": [{"type": "text", "text": hit.text}]}
            for hit in hits
        ]
        return self.record(call, ranking_options=ranking.model_dump(), results=results)

    async def _stores(self) -> list[str]:
        """Return the ids of the vector stores to search, without those that have been deleted."""
        found = []
        for store_id in self.context.resources(self.type, "vector_store_ids"):
            with suppress(NotFound):
                if (await self.context.library.get(store_id)).status == "expired":
                    raise ToolError(f"The vector store {store_id} has expired. Create a new one.")
                found.append(store_id)
        return found

    @classmethod
    def details(cls, call: Call) -> dict[str, Any]:
        return {}

    @classmethod
    def output(cls, record: runs.FileSearchToolCall, number: int, arguments: str) -> str:
        query = _query(Call(record.id, cls.type, arguments))
        passages = [
            f"{mark(number, index, result.file_name)}\n{_text(result)}"
            for index, result in enumerate(record.file_search.results or [])
        ]
        found = passages or ["Nothing in the documents fits."]
        return "\n\n".join([f'Search for "{query}":', *found])

    @classmethod
    def outcome(cls, record: runs.FileSearchToolCall) -> dict[str, Any]:
        return cls.public(record).file_search.model_dump(include={"results"}, exclude_none=True)

    @classmethod
    def places(cls, context: Context, records: Sequence[runs.ToolCall]) -> Places | None:
        """Return the marks: each cites a passage that was found."""
        found = {
            (call, passage): result
            for call, record in enumerate(records)
            if isinstance(record, runs.FileSearchToolCall)
            for passage, result in enumerate(record.file_search.results or [])
        }
        if not found:
            return None

        def file_id(mark: str) -> str | None:
            result = found.get(place(mark))
            return result.file_id if result and is_of(mark, result.file_name) else None

        return Places("file_citation", MARK.pattern, beginning(*BEGINNING), file_id)

    @classmethod
    def public(cls, record: runs.FileSearchToolCall) -> runs.FileSearchToolCall:
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


def _text(result: FileSearchResult) -> str:
    return "".join(part.text or "" for part in result.content or [])
