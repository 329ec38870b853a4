"""The learner's side as a process of its own: ``python -m course_lib.checks.serve``.

Frames on standard input and output: eight bytes of length, then `wire` bytes. The first frame is
the source code of the answers (a text), every further one a question. Whatever that code
prints goes to standard error, so it cannot be taken for an answer.
"""

import os
import struct
from typing import BinaryIO

from course_lib.checks import wire
from course_lib.checks.answer import reply


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read one frame; None when the other side has closed, `wire.NotPlain` when it is cut short."""
    head = stream.read(8)
    if not head:
        return None
    (length,) = struct.unpack("<Q", head) if len(head) == 8 else (wire.MAX_BYTES + 1,)
    if length > wire.MAX_BYTES:
        raise wire.NotPlain("a frame that is cut short or too long")
    body = stream.read(length)
    if len(body) < length:
        raise wire.NotPlain("a frame that is cut short")
    return body


def write_frame(stream: BinaryIO, body: bytes) -> None:
    """Write one frame and flush it."""
    stream.write(struct.pack("<Q", len(body)) + body)
    stream.flush()


def main() -> None:
    """Serve one submission until the judge closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # print() must not reach the channel
    questions = os.fdopen(os.dup(0), "rb")
    with open(os.devnull) as nothing:  # input() in an answer must not read the channel
        os.dup2(nothing.fileno(), 0)
    namespace = {"__name__": "__main__"}
    source = wire.decode(read_frame(questions) or b"")
    exec(compile(source, "answer.py", "exec"), namespace)
    while (question := read_frame(questions)) is not None:
        write_frame(answers, reply(namespace, question))


if __name__ == "__main__":
    main()
