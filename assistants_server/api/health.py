"""Whether the server is there, for whoever starts it: needs no token and tells no secret."""

from fastapi import APIRouter, Request

router = APIRouter()
PATH = "/health"


@router.api_route(PATH, methods=["GET", "HEAD"], include_in_schema=False)
async def health(request: Request) -> dict[str, str]:
    """Answer ``ok``, and who answers model turns: the tutor (offline) or a model (live)."""
    return {"status": "ok", "mode": request.app.state.mode}
