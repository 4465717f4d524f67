"""The file search tool of a run: what it looks through, what the model is told, what it cites."""

import json
import re
from typing import Any

from openai.types.beta.threads import FileCitationAnnotation, Run
from openai.types.beta.threads.runs import RunStep

from assistants_server.engine.tools import as_recorded, resources_of
from assistants_server.engine.turn import Call
from assistants_server.file_search import Library
from assistants_server.store import NotFound, Store

MOST_RESULTS = 20
LONGEST_QUERY = 4096  # characters, as in a search over HTTP; a model's longer one is cut
SECONDS_TO_READ = 60  # for files that have just been added
MARK = re.compile(r"【(\d+):(\d+)†[^】]*】")


class Expired(Exception):
    """A vector store has expired; the message names it."""


def stores_for(store: Store, run: Run) -> list[str]:
    """Return the ids of the vector stores that a run looks through."""
    found: dict[str, None] = {}
    for resources in resources_of(store, run):
        if resources.file_search:
            found |= dict.fromkeys(resources.file_search.vector_store_ids or ())
    return list(found)


async def run_search(library: Library, store: Store, run: Run, call: Call) -> dict[str, Any]:
    """Carry out a call of file_search; return it as recorded, with what was found.

    Raises:
        Expired: one of the vector stores has.
    """
    recorded = as_recorded(call, run)
    stores = []
    for store_id in stores_for(store, run):
        try:
            if (await library.get(store_id)).status == "expired":
                raise Expired(f"The vector store {store_id} has expired. Create a new one.")
            stores.append(store_id)
        except NotFound:  # deleted since
            continue
    await library.ready(stores, SECONDS_TO_READ)
    options = next((tool.file_search for tool in run.tools if tool.type == "file_search"), None)
    threshold, ranker = 0.0, "auto"
    if options and options.ranking_options:
        threshold = options.ranking_options.score_threshold
        ranker = options.ranking_options.ranker or ranker
    most = (options and options.max_num_results) or MOST_RESULTS
    hits = await library.search(stores, _query(call), most, threshold=threshold)
    recorded["file_search"] = {
        "ranking_options": {"ranker": ranker, "score_threshold": threshold},
        "results": [
            {
                "file_id": hit.file_id,
                "file_name": hit.name,
                "score": hit.score,
                "content": [{"type": "text", "text": hit.text}],
            }
            for hit in hits
        ],
    }
    return recorded


def told(call: Any, number: int) -> str:
    """Return what the model is told of a call: each passage behind its mark.

    Args:
        number: which of the run's calls it is, from 0.
    """
    results = call.file_search.results or []
    if not results:
        return "Nothing in the documents fits."
    passages = [
        f"【{number}:{index}†{result.file_name}】\n{result.content[0].text}"
        for index, result in enumerate(results)
    ]
    return "\n\n".join(passages)


def calls_of(steps: list[RunStep]) -> list[Any]:
    """Return the tool calls of a run's steps, in the order that the marks count them."""
    return [
        call for step in steps if step.type == "tool_calls" for call in step.step_details.tool_calls
    ]


def cite(text: str, steps: list[RunStep]) -> list[FileCitationAnnotation]:
    """Return an annotation for each mark in a text that stands for a passage which was found."""
    calls, citations = calls_of(steps), []
    for mark in MARK.finditer(text):
        try:
            result = calls[int(mark[1])].file_search.results[int(mark[2])]
        except (IndexError, AttributeError, TypeError):  # the model has made it up
            continue
        citations.append(
            FileCitationAnnotation(
                type="file_citation",
                text=mark[0],
                start_index=mark.start(),
                end_index=mark.end(),
                file_citation={"file_id": result.file_id},
            )
        )
    return citations


def without_contents(step: RunStep) -> RunStep:
    """Return a step without the passages that were found; they come only if they are asked for."""
    if step.type != "tool_calls":
        return step
    step = step.model_copy(deep=True)
    for call in step.step_details.tool_calls:
        if call.type == "file_search":
            for result in call.file_search.results or []:
                result.content = None
    return step


def _query(call: Call) -> str:
    try:
        query = str(json.loads(call.arguments)["query"])
    except (ValueError, KeyError, TypeError, RecursionError):
        query = call.arguments
    return query[:LONGEST_QUERY]
