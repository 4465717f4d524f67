"""What is said at once about a model's server that will not answer."""

from datetime import date

import pytest

from assistants_server.engine import Upstream, trouble
from tests.upstream import send_json, upstream

TODAY = date(2026, 11, 22)


def check(status: int, *models: dict, model: str | None = "gpt-6-luna") -> str | None:
    with upstream(lambda handler, _: send_json(handler, status, {"data": models})) as address:
        return trouble(address, model, TODAY)


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({}, None),
        ({"shutdown_date": None}, None),
        ({"shutdown_date": "2027-06-01"}, None),
        ({"shutdown_date": "2027-01-14"}, "will be shut down on 2027-01-14."),
        ({"shutdown_date": "2026-11-22"}, "was shut down on 2026-11-22."),
        ({"shutdown_date": "2026-08-26T00:00:00Z"}, "was shut down on 2026-08-26."),
        ({"shutdown_date": 1799884800}, "will be shut down on 2027-01-14."),
        ({"shutdown_date": "soon"}, None),
        ({"shutdown_date": 1e300}, None),
    ],
)
def test_the_end_of_a_model(described, said):
    found = check(200, {"id": "gpt-6-luna", **described})
    assert found is None if said is None else said in found


def test_a_model_that_is_not_listed():
    assert check(200, {"id": "b"}, {"id": "a"}) == (
        "It does not list the model gpt-6-luna, but a, b. Look at OPENAI_MODEL."
    )
    assert check(200, {"id": "a"}, model=None) is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted(status):
    assert check(status) == f"It does not accept the key ({status}). Look at OPENAI_API_KEY."


@pytest.mark.parametrize("status", [404, 405, 500, 501])
def test_a_server_that_lists_no_models_may_be_all_right(status):
    assert check(status) is None


def test_a_list_that_makes_no_sense_says_nothing():
    with upstream(lambda handler, _: send_json(handler, 200, {"models": 1})) as address:
        assert trouble(address, "m", TODAY) is None


def test_nobody_there():
    with upstream(lambda *_: None) as gone:
        pass
    assert trouble(gone, "m") == "It does not answer (ConnectError). Look at OPENAI_BASE_URL."
    assert "Look at OPENAI_BASE_URL" in trouble(Upstream("nowhere", "key"), "m")


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch):
    import socket

    monkeypatch.setattr("assistants_server.engine.upstream_check.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        assert "has not answered within" in trouble(Upstream(address, "key"), "m")
