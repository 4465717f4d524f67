"""``POST /v1/embeddings``, refused: a script has no sense of meaning, and made-up numbers would lie."""

from fastapi import APIRouter

from assistants_server.web.errors import ApiError
from assistants_server.web.strict_route import StrictRoute

router = APIRouter(prefix="/v1", route_class=StrictRoute)


@router.post("/embeddings", response_model=None)
async def create() -> None:
    # As OpenAI answers for a model that it does not have.
    raise ApiError(
        404,
        "The offline tutor is a script and has no embeddings. Set OPENAI_API_KEY (and "
        "OPENAI_BASE_URL, for another server than OpenAI's), and this request goes on to the "
        "model's server. A vector store can be searched without: it finds passages by their words.",
        param="model",
        code="model_not_found",
    )
