"""Executes runs: one run, one loop, each model turn from an upstream, or offline from the tutor."""

from assistants_server.engine.engine import Engine
from assistants_server.engine.guard import Guard
from assistants_server.engine.settings import SettingsError, Upstream, unused_address
from assistants_server.engine.upstream_check import trouble

__all__ = ["Engine", "Guard", "SettingsError", "Upstream", "trouble", "unused_address"]
