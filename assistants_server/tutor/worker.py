"""The tutor as a process of its own: questions come on stdin, answers go to stdout.

It is run as a program, with the folders that hold its packages as arguments. It ends when stdin
does, in the middle of a question too: so it never outlives the server.
"""

import os
import queue
import signal
import sys
import threading
from typing import BinaryIO


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server
    sys.path += sys.argv[1:]
    limit_memory()
    questions, answers = sys.stdin.buffer, _private_stdout()

    from assistants_server.tutor import pipe, preload  # noqa: F401
    from assistants_server.tutor.answering import answer
    from assistants_server.tutor.budget import OutOfCalls

    waiting: queue.SimpleQueue[pipe.Question] = queue.SimpleQueue()

    def read() -> None:
        while question := pipe.receive_question(questions):
            waiting.put(question)
        os._exit(0)

    pipe.send_answer(answers, pipe.Answer(None))  # it is ready
    threading.Thread(target=read, daemon=True).start()
    while True:
        question = waiting.get()
        limit_cpu()
        try:
            reply = answer(question.conversation, question.most_calls)
        except OutOfCalls:
            reply = None
        pipe.send_answer(answers, pipe.Answer(reply))


def _private_stdout() -> BinaryIO:
    """Return stdout for the answers alone; send whatever else is printed to the null device."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return answers


def limit_memory() -> None:
    if sys.platform == "win32":
        return  # it has no such limits: the server ends this process after a while
    import resource

    from assistants_server.tutor.process_limits import MEMORY_BYTES

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def limit_cpu() -> None:
    """Let the system end this process if the next question takes too long."""
    if sys.platform == "win32":
        return
    import resource

    from assistants_server.tutor.process_limits import CPU_SECONDS

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, most))


if __name__ == "__main__":
    main()
