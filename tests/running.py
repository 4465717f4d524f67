"""A code interpreter for tests, without a server around it."""

import asyncio
from pathlib import Path

from openai.types import FileObject

from assistants_server.code_interpreter import CodeInterpreter
from assistants_server.code_interpreter.interpreter import Result
from assistants_server.store import Store, new_id

THREAD = "thread_1"


class Running:
    """A code interpreter on an event loop of its own. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.Runner()
        self.store = Store(folder / "a.db")
        self.interpreter = CodeInterpreter(self.store)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.wait_for(self.interpreter.close())
        self.store.close()
        self._loop.close()

    def wait_for(self, coroutine):
        return self._loop.run(coroutine)

    def run(self, code: str, *files: str, thread: str = THREAD) -> Result:
        return self.wait_for(self.interpreter.run(thread, code, list(files)))

    def logs(self, code: str, *files: str, thread: str = THREAD) -> str:
        return self.run(code, *files, thread=thread).logs

    def attach(self, name: str, content: bytes) -> str:
        """Make a file of the API and return its id."""
        file = FileObject(
            id=new_id("file-"),
            object="file",
            bytes=len(content),
            created_at=0,
            filename=name,
            purpose="assistants",
            status="processed",
        )
        self.store.files.mkdir(exist_ok=True)
        self.store.content(file.id).write_bytes(content)
        self.store.insert(file)
        return file.id

    def kept(self, thread: str = THREAD) -> dict[str, bytes]:
        """Return the contents of the files that a thread's code has written, by name."""
        written = self.interpreter.written(thread)
        return {name: self.store.content(id).read_bytes() for name, id in written.items()}

    def stored(self) -> list[bytes]:
        """Return the contents of all files."""
        return [path.read_bytes() for path in self.store.files.glob("*")]
