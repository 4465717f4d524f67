"""Runs a model's code: one Jupyter kernel for each thread, in a sandbox."""

from assistants_server.code_interpreter.interpreter import CodeInterpreter, Result
from assistants_server.code_interpreter.sandbox import Isolation, isolation, notice

__all__ = ["CodeInterpreter", "Isolation", "Result", "isolation", "notice"]
