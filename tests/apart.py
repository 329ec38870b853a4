"""A channel to answers that run in a process of their own, without a kernel."""

import contextlib
import os
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from course_lib.checks import wire
from course_lib.checks.run import Channel, NoAnswer

# On the learner's side: the first frame is the source of the answers, every further one a question.
_SERVE = """
import os, struct
from course_lib.checks import wire
from course_lib.checks.answer import reply

answers, questions = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
os.dup2(2, 1)  # print() must not reach the channel

def read():
    head = questions.read(8)
    return questions.read(struct.unpack("<Q", head)[0]) if head else None

namespace = {"__name__": "__main__"}
exec(compile(wire.decode(read()), "answer.py", "exec"), namespace)
while (question := read()) is not None:
    answer = reply(namespace, question)
    answers.write(struct.pack("<Q", len(answer)) + answer)
    answers.flush()
"""


@contextlib.contextmanager
def process_apart(source: str, library: Path) -> Iterator[Channel]:
    """Run `source`, a learner's code, in a fresh Python process and yield a channel to it.

    `library` is the folder that `learners_library` made. The process starts without site
    initialisation, so an editable install of the whole package does not bring the judges back.
    """
    paths = [str(library), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONSAFEPATH": "1",
        },
        cwd=library,
    )

    def channel(question: bytes) -> bytes:
        try:
            _write(child.stdin, question)
            head = child.stdout.read(8)
            return child.stdout.read(struct.unpack("<Q", head)[0])
        except (OSError, struct.error):
            raise NoAnswer("the process with your code has ended") from None

    try:
        _write(child.stdin, wire.encode(source))
        yield channel
    finally:
        child.kill()
        child.communicate()


def _write(stream: BinaryIO, body: bytes) -> None:
    stream.write(struct.pack("<Q", len(body)) + body)
    stream.flush()
