"""Executes runs: one run, one loop, each model turn from the upstream's Responses API."""

from assistants_server.engine.engine import Engine
from assistants_server.engine.guard import Guard
from assistants_server.engine.states import (
    ACTIVE,
    SECONDS_TO_EXPIRE,
    End,
    active_run,
    end_run,
    end_step,
    expire_if_due,
)
from assistants_server.engine.steps import calls_of, public
from assistants_server.engine.upstream import Upstream
from assistants_server.engine.upstream_check import trouble

__all__ = [
    "ACTIVE",
    "SECONDS_TO_EXPIRE",
    "End",
    "Engine",
    "Guard",
    "Upstream",
    "active_run",
    "calls_of",
    "end_run",
    "end_step",
    "expire_if_due",
    "public",
    "trouble",
]
