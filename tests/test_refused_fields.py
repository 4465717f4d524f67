"""Fields that a model's upstream does not take: what is left out, for whom, and what never is."""

import pytest

from tests.talking import talking
from tests.upstream import completed

CODE = [{"type": "code_interpreter"}]
OTHER = "gpt-6-sol"


def openai_error(param: str | None, code: str | None = None, message: str = "No.") -> dict:
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def pydantic_error(*places: list, type: str = "extra_forbidden", **more: object) -> dict:
    return {"detail": [{"type": type, "loc": place, "msg": "No.", **more} for place in places]}


def refusing(field: str, status: int, error: dict, model: str | None = None):
    """Return a reply that refuses requests with a field, of one model if it is named."""

    def reply(body: dict):
        refuses = field in body and model in (None, body["model"])
        return (status, error) if refuses else completed("Hi.")

    return reply


@pytest.mark.parametrize(
    ("field", "status", "error"),
    [
        ("include", 400, openai_error("include[0]")),
        ("include", 422, pydantic_error(["body", "include"])),
        ("include", 422, pydantic_error(["include", 0], type="list_type")),
        ("include", 422, {"detail": "Unsupported fields in the request: {'include'}"}),
        ("prompt_cache_key", 400, openai_error("prompt_cache_key")),
        ("parallel_tool_calls", 400, openai_error("parallel_tool_calls")),
    ],
)
def test_a_field_that_an_error_names_is_left_out_from_then_on(tmp_path, field, status, error):
    with talking(tmp_path / "a.db", refusing(field, status, error)) as talk:
        for _ in range(2):
            run = talk.ask(tools=CODE, parallel_tool_calls=False)
            assert run.status == "completed", run.last_error
    assert [field in body for body in talk.seen] == [True, False, False]


def test_one_model_refuses_and_others_still_get_the_field(tmp_path):
    message = "Encrypted content is not supported with this model."
    error = openai_error("include", message=message)
    with talking(tmp_path / "a.db", refusing("include", 400, error, OTHER)) as talk:
        for model in (OTHER, "gpt-6-luna", OTHER):
            assert talk.ask(tools=CODE, model=model).status == "completed"
    assert [(body["model"], "include" in body) for body in talk.seen] == [
        (OTHER, True),
        (OTHER, False),
        ("gpt-6-luna", True),
        (OTHER, False),
    ]


ECHO = {"model": "m", "store": False, "include": [], "parallel_tool_calls": False}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai_error("tools[0].parameters", message="Invalid schema for function 'store'.")),
        (400, openai_error(None, message="include, store and parallel_tool_calls are fine")),
        (422, pydantic_error(["body", "input", "store"], input=ECHO)),
        (422, {"detail": f"Wrong, you sent {ECHO}"}),
        (422, {"detail": "Unsupported fields in the request: {'a' 'b}"}),
        (422, {"detail": [5, {"loc": "store"}, {"loc": []}], "body": ECHO}),
        (400, openai_error("store", "unsupported_value", "store must be true")),
        (400, openai_error("store", "unsupported_parameter")),
        (422, pydantic_error(["body", "store"], type="literal_error")),
    ],
)
def test_nothing_is_left_out_because_a_body_speaks_of_it(tmp_path, status, error):
    with talking(tmp_path / "a.db", lambda _: (status, error)) as talk:
        run = talk.ask(tools=CODE, parallel_tool_calls=False)
        assert run.status == "failed"
        assert f"answered {status}" in run.last_error.message
    (asked,) = talk.seen
    assert asked["store"] is False


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai_error("store", "unknown_parameter")),
        (422, pydantic_error(["body", "store"])),
        (422, {"detail": "Unsupported fields in the request: {'include', 'store'}"}),
    ],
)
def test_only_who_does_not_know_store_is_asked_without_it(tmp_path, status, error):
    """There is nothing that it could turn off, then."""
    with talking(tmp_path / "a.db", refusing("store", status, error)) as talk:
        assert talk.ask(tools=CODE).status == "completed"
    assert [body.get("store") for body in talk.seen] == [False, None]
