"""The end of ``make install``: compiles what the notebooks import, so that no kernel has to.

uv compiles nothing, or all ten thousand files, a third of which is ever imported. Kernels cannot
always keep what they compile: many images of Docker set PYTHONDONTWRITEBYTECODE, and inside its
sandbox the code interpreter cannot write here.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

IMPORTED = (
    "assistants_server.tutor.answering",
    "helpers.quiz_form",  # and with it all of the helpers, and the SDK
    "agentops.instrumentation.providers.openai",
    "notebooks.book.run",
    "matplotlib.pyplot",
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "matplotlib_inline.backend_inline",
    "httpcore2",
    "openai.resources.beta.beta",  # the SDK imports it for the first call
    "assistants_server.__main__",
    "assistants_server.tutor.preload",
)


def compile_all() -> None:
    """Import all of it, in as many processes as there are cores."""
    with ProcessPoolExecutor() as pool:
        list(pool.map(_compile, IMPORTED))


def _compile(name: str) -> None:
    sys.dont_write_bytecode = False
    import_module(name)


if __name__ == "__main__":
    compile_all()
