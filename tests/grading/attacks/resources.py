"""The resources: time, memory, processes, disk, output, descriptors.

Each follows a right answer to ``n_correct``, which was judged before and must keep its points.
"""

import nbformat

from tests.grading.attacks import CAGED, attack, own_cell
from tests.mini import RIGHT, answered


def after_a_right_answer(release, code):
    return answered(release, n_correct=RIGHT, evaluate=CAGED + code)


@attack(r"(interrupted after|used more than|ended in).*n_correct: correct", n_correct=1)
def fork_bomb(release):
    return after_a_right_answer(
        release,
        """
import os, time
for _ in range(4000):
    try:
        if not os.fork():
            time.sleep(900)
    except OSError:
        print("refused")
        break
else:
    print("LOOT 4000 processes")
""",
    )


@attack(r"(interrupted after|used more than|ended in).*n_correct: correct", n_correct=1)
def fork_bomb_that_doubles(release):
    return after_a_right_answer(
        release,
        """
import os, time
for _ in range(12):
    try:
        os.fork()
    except OSError:
        time.sleep(900) if os.getpid() > 9 else None
""",
    )


@attack(r"n_correct: correct.*refused", n_correct=1)
def thread_bomb(release):
    return after_a_right_answer(
        release,
        """
import threading, time
threading.stack_size(65536)
try:
    for _ in range(20_000):
        threading.Thread(target=time.sleep, args=(900,), daemon=True).start()
    print("LOOT 20000 threads")
except RuntimeError:
    print("refused")
""",
    )


@attack(r"n_correct: correct.*MemoryError", n_correct=1)
def memory_in_one_piece(release):
    return after_a_right_answer(release, "all = bytearray(40 * 2**30)")


@attack(r"(used more than 1 GB|n_correct: correct.*MemoryError)", n_correct=1)
def memory_in_many_small_steps(release):
    """At most 12 GB, should nothing stop it."""
    return after_a_right_answer(
        release,
        """
kept = []
for step in range(12 * 1024):
    kept.append(b"x" * 2**20)
print("LOOT 12 GB")
""",
    )


@attack("n_correct: correct", n_correct=1)
def memory_of_many_processes(release):
    return after_a_right_answer(
        release,
        """
import os, time
for _ in range(12):
    if not os.fork():
        kept = bytearray(b"x" * 2**30)
        time.sleep(900)
time.sleep(2)
""",
    )


@attack("n_correct: correct", n_correct=1)
def memory_of_shared_kinds(release):
    """Files in memory, shared memory, pipes, anonymous files: they count, too."""
    return after_a_right_answer(
        release,
        """
import os
fd = os.memfd_create("attack")
try:
    for _ in range(12 * 1024):
        os.write(fd, b"x" * 2**20)
    print("LOOT 12 GB in memory files")
except OSError:
    pass
""",
    )


@attack("n_correct: correct", n_correct=1)
def disk_filled(release):
    return after_a_right_answer(
        release,
        """
import os
written = 0
for place in (".", "/tmp", "/dev/shm", os.path.expanduser("~"), "/var/tmp", "/run"):
    for number in range(12):
        try:
            with open(f"{place}/attack{number}", "wb") as file:
                for _ in range(512):
                    written += file.write(b"x" * 2**20)
        except OSError:
            pass
if written > 3 * 2**30:
    print("LOOT", written)
""",
    )


@attack(r"n_correct: correct.*refused", n_correct=1)
def a_million_small_files(release):
    return after_a_right_answer(
        release,
        """
import os
made = 0
try:
    for number in range(400_000):
        os.close(os.open(f"attack{number}", os.O_CREAT | os.O_WRONLY))
        made += 1
    print("LOOT", made)
except OSError:
    print("refused")
""",
    )


@attack("n_correct: correct", n_correct=1)
def descriptors_without_end(release):
    return after_a_right_answer(
        release,
        """
import os
held = []
try:
    for _ in range(100_000):
        held.append(os.open("/dev/null", os.O_RDONLY))
    print("LOOT 100000 descriptors")
except OSError:
    [os.close(fd) for fd in held]
""",
    )


@attack(r"stopped for more than 16 MB of output.*n_correct: correct", n_correct=1)
def output_of_200_megabytes(release):
    return after_a_right_answer(release, "for _ in range(2000): print('x' * 100_000)")


@attack(r"(interrupted after more than|MB of output).*n_correct: correct", n_correct=1)
def output_in_a_million_pieces(release):
    return after_a_right_answer(
        release,
        """
import sys
for number in range(1_000_000):
    print(number, end="\\n", flush=number % 100 == 0)
    print(number, file=sys.stderr)
""",
    )


@attack(r"stopped for more than 16 MB of output.*n_correct: correct", n_correct=1)
def displays_in_thousands(release):
    return after_a_right_answer(
        release,
        """
from IPython.display import display, HTML
for number in range(3000):
    display(HTML("x" * 50_000), metadata={"n": number})
""",
    )


@attack(r"n_correct: not yet.*(nothing came back|ended|was stopped)")
def output_during_the_answer(release):
    return own_cell(
        release,
        CAGED,
        n_correct="def n_correct(a, b):\n"
        "    for _ in range(500): print('x' * 100_000)\n"
        "    return 1",
    )


@attack(r"interrupted after more than 10 s.*n_correct: correct.*KeyboardInterrupt", n_correct=1)
def sleeps_for_ever(release):
    return after_a_right_answer(release, "import time\nwhile True: time.sleep(1)")


@attack(r"(ran for more than|was stopped).*n_correct: correct", n_correct=1)
def ignores_every_interrupt(release):
    return after_a_right_answer(
        release,
        """
import signal, time
for signum in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(signum, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True:
            time.sleep(0.1)
    except BaseException:
        pass
""",
    )


@attack(r"(interrupted after|ran for) more than.*n_correct: correct", n_correct=1)
def computes_where_no_interrupt_comes(release):
    """One call into C that holds the interpreter's lock."""
    return after_a_right_answer(release, "import re\nre.match(r'(a|a)*$', 'a' * 60 + 'b')")


@attack("n_correct: not")
def stopped_by_its_own_hand(release):
    return own_cell(release, CAGED + "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)")


@attack(r"n_correct: not yet.*(KeyboardInterrupt|nothing came back|was stopped)")
def answer_that_never_comes(release):
    return own_cell(
        release,
        CAGED,
        n_correct="import time\ndef n_correct(a, b):\n    while True: time.sleep(1)",
    )


@attack(r"n_correct: not yet.*(KeyboardInterrupt|nothing came back|was stopped)")
def answer_that_comes_in_drops(release):
    return own_cell(
        release,
        CAGED,
        n_correct="import time\n"
        "def n_correct(a, b):\n"
        "    for n in range(10_000): print(n, flush=True); time.sleep(0.1)",
    )


@attack(r"n_correct: (not yet.*(nothing came back|ended)|your code raised.*Recursion)")
def recursion_without_end(release):
    return own_cell(
        release,
        CAGED + "import sys\nsys.setrecursionlimit(10**9)",
        n_correct="def n_correct(a, b):\n    return n_correct(a, b)",
    )


@attack("n_correct: correct", n_correct=1)
def timers_and_signals(release):
    return after_a_right_answer(
        release,
        """
import signal
signal.signal(signal.SIGALRM, lambda *a: print(end="."))
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
""",
    )


@attack("n_correct: correct", n_correct=1)
def system_v_objects(release):
    """Message queues and shared memory of the kernel outlive the process that made them."""
    return after_a_right_answer(
        release,
        """
import ctypes
libc = ctypes.CDLL(None)
for number in range(64):
    libc.msgget(0, 0o1600)
    libc.shmget(0, 4096, 0o1600)
    libc.semget(0, 8, 0o1600)
""",
    )


@attack("n_correct: correct", n_correct=1)
def a_thousand_figures(release):
    return after_a_right_answer(
        release,
        """
import matplotlib.pyplot as plt
for number in range(60):
    plt.figure()
""",
    )


@attack(r"n_correct: correct.*\\x1b\[31ma", n_correct=1)
def pages_that_take_for_ever_to_make(release):
    lines = 'print("\\x1b[31ma" * 100_000)\nx = 1' + "\n" * 150_000 + "y = 1"
    notebook = after_a_right_answer(release, lines)
    notebook.cells.append(nbformat.v4.new_markdown_cell("```perl\n" + "\n$" * 20_000))
    return notebook


@attack("(interrupted after|ran for) more than.*n_correct: correct", n_correct=1)
def spins_in_200_sessions(release):
    """Each a session leader, so that the system's grouping by session does not hold them back."""
    return after_a_right_answer(
        release,
        """
import os, time
for _ in range(200):
    os.fork() or (os.setsid(), exec("while True: pass"))
time.sleep(900)
""",
    )


@attack("n_correct: correct", n_correct=1)
def spins_not_but_computes_for_seconds(release):
    """Graded beside the one above, as the next of the alphabet: honest, and needs the processor."""
    compute = (
        "import time\nstart = time.process_time()\nwhile time.process_time() - start < 2: pass\n"
    )
    return own_cell(release, compute, n_correct=f"{compute}{RIGHT}")
