"""Runs the code that a model writes, in one sandboxed Jupyter kernel for each thread."""

from assistants_server.code_interpreter.interpreter import CodeInterpreter, Result
from assistants_server.code_interpreter.sandbox import Isolation, isolation, notice
