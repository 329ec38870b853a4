"""The channel: what comes back from the learner's process, beside it, or instead of it."""

from tests.grading.attacks import CAGED, attack, own_cell
from tests.mini import RIGHT

# Answers are sent through these, whatever the kernel's own code would have said.
PATCH = "from course_lib.checks import answer, wire\nimport json, struct\n"
RAW = "answer.reply = lambda namespace, question: "
FRAME = "frame = lambda text, blob=b'': struct.pack('<Q', len(text)) + text + blob\n"
KERNEL = (
    "kernel = get_ipython().kernel\n"
    "def send(kind, content, **more):\n"
    "    parent = kernel.get_parent()\n"
    "    kernel.session.send(kernel.iopub_socket, kind, content, parent=parent, **more)\n"
)
CONSTANT = "def n_correct(logits, labels):\n    return 20"


def replying(release, expression, answer=CONSTANT):
    """Every question of every exercise gets this answer."""
    return own_cell(release, PATCH + FRAME + RAW + expression, n_correct=answer)


@attack("n_correct: not yet.*evaluate: not yet.*freeze: not yet")
def lies_to_every_question(release):
    return replying(
        release,
        "wire.encode({'raised': None, 'effects': [], 'returned': 0.5, 'ran_in_train': False,"
        " 'kept_graph': False, 'trainable': [], 'state': {}, 'modes_restored': True,"
        " 'same': True, 'attributes': [], 'lost': [], 'changed': [], 'gradients': 0,"
        " 'views': {}, 'inside': None, 'after': {}, 'input_gradient': None, 'unusable': None})",
    )


@attack("n_correct: not yet")
def echo_of_the_question(release):
    return replying(release, "question")


@attack("n_correct: not yet")
def answers_to_another_exercise(release):
    return own_cell(
        release,
        PATCH
        + "honest = answer.reply\n"
        + RAW
        + "honest(namespace, question.replace(b'n_correct', b'evaluate'))",
        n_correct=RIGHT,
    )


@attack("n_correct: not yet")
def first_answer_to_every_question(release):
    return own_cell(
        release,
        PATCH
        + "honest, first = answer.reply, []\n"
        + RAW
        + "first[0] if first else first.append(honest(namespace, question)) or first[0]",
        n_correct=RIGHT,
    )


@attack("n_correct: not yet")
def answer_of_80_megabytes(release):
    return replying(release, "bytes(80 * 2**20)")


@attack("n_correct: not yet")
def tensor_of_80_megabytes(release):
    return "import torch\ndef n_correct(logits, labels):\n    return torch.zeros(20 * 2**20)"


@attack("n_correct: not yet")
def answer_of_a_hundred_thousand_levels(release):
    return replying(release, "frame(b'[' * 100_000 + b']' * 100_000)")


@attack("n_correct: not yet")
def answer_of_a_million_values(release):
    return replying(release, "frame(b'[' + b'0,' * 1_000_000 + b'0]')")


@attack("n_correct: not yet")
def number_of_a_million_digits(release):
    return replying(release, "frame(b'9' * 1_000_000)")


@attack("n_correct: not yet")
def text_of_a_million_characters(release):
    return "def n_correct(logits, labels):\n    return 'correct' * 200_000"


@attack("n_correct: not yet")
def not_a_number_everywhere(release):
    return replying(
        release,
        'frame(b\'{"dict": {"raised": null, "returned": NaN, "effects": Infinity}}\')',
    )


@attack("n_correct: not yet")
def returns_not_a_number(release):
    return "def n_correct(logits, labels):\n    return float('nan')"


@attack("n_correct: not yet")
def record_of_wrong_types(release):
    return replying(release, "wire.encode({'raised': 7, 'effects': 3, 'returned': {'a': [None]}})")


@attack("n_correct: not yet")
def exception_without_its_fields(release):
    return replying(release, "wire.encode({'raised': {'type': 5}, 'effects': [], 'returned': 1})")


@attack("n_correct: ")
def exception_with_fields_of_wrong_types(release):
    return replying(
        release,
        "wire.encode({'raised': {'type': 5, 'message': [], 'is_value_error': 'x',"
        " 'lines': [{'line': {}, 'function': None, 'code': 3}]}})",
    )


@attack("n_correct: ")
def exception_with_lines_that_are_none(release):
    return replying(
        release,
        "wire.encode({'raised': {'type': 'E', 'message': 'm', 'is_value_error': False,"
        " 'lines': 7}})",
    )


@attack("n_correct: not yet")
def tensors_of_wrong_shapes(release):
    """Values that broadcast where numbers were expected."""
    return (
        "import torch\ndef n_correct(a, b):\n    return torch.zeros(1 << 20, 1, dtype=torch.int8)"
    )


@attack("n_correct: not yet.*evaluate: not yet.*freeze: not yet")
def blob_that_lies_about_its_size(release):
    head = '{"0":{"dtype":"F32","shape":[1099511627776,0],"data_offsets":[0,0]}}'
    return replying(
        release,
        'frame(b\'{"dict":{"raised":null,"effects":[],"returned":{"tensor":"0"}}}\','
        f" struct.pack('<Q', {len(head)}) + {head.encode()!r})",
    )


@attack("n_correct: not yet")
def blob_that_is_cut_short(release):
    return replying(release, "wire.encode({'returned': __import__('torch').zeros(99)})[:-7]")


@attack("n_correct: not yet")
def pickle_for_an_answer(release):
    return replying(release, "__import__('pickle').dumps({'returned': 1})")


@attack("n_correct: not yet")
def reply_that_is_not_base64(release):
    return own_cell(
        release,
        """
        from course_lib.checks import answer
        from IPython.display import display
        answer.show_reply = lambda *a: display({"application/x-course-answer": "ä!"}, raw=True)
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: not yet")
def reply_that_is_not_text(release):
    return own_cell(
        release,
        """
        from course_lib.checks import answer
        from IPython.display import display
        answer.show_reply = lambda *a: display({"application/x-course-answer": {"a": 1}}, raw=True)
        """,
        n_correct=RIGHT,
    )


@attack("not attempted")
def answers_before_the_question(release):
    return own_cell(
        release,
        PATCH
        + """
import base64
from IPython.display import display
lie = base64.b64encode(wire.encode({"raised": None, "effects": [], "returned": 20})).decode()
for _ in range(50):
    display({"application/x-course-answer": lie}, raw=True)
""",
    )


@attack("n_correct: not yet")
def two_answers_to_one_question(release):
    return own_cell(
        release,
        PATCH
        + """
import base64
from IPython.display import display
honest = answer.show_reply
def twice(*given):
    for number in (20, 21, 22):
        lie = wire.encode({"raised": None, "effects": [], "returned": number})
        display({"application/x-course-answer": base64.b64encode(lie).decode()}, raw=True)
    honest(*given)
answer.show_reply = twice
""",
        n_correct=RIGHT,
    )


@attack("n_correct: not")
def lies_from_a_thread(release):
    """Interleaved with whatever is asked meanwhile."""
    return own_cell(
        release,
        PATCH
        + KERNEL
        + """
import base64, threading, time
lie = base64.b64encode(wire.encode({"raised": None, "effects": [], "returned": 20})).decode()
def lying():
    for _ in range(3000):
        send("display_data", {"data": {"application/x-course-answer": lie}, "metadata": {}})
        time.sleep(0.001)
threading.Thread(target=lying, daemon=True).start()
""",
    )


@attack("n_correct: not")
def forked_twin(release):
    """Two processes on the same sockets; the second lies."""
    return own_cell(
        release,
        PATCH
        + """
import os
if not os.fork():
    """
        + RAW
        + """wire.encode({"raised": None, "effects": [], "returned": 20})
    try:
        get_ipython().kernel.io_loop.start()
    except BaseException:
        pass
""",
    )


@attack("n_correct: not")
def idle_before_the_answer(release):
    """The kernel says it is done, and answers afterwards."""
    return own_cell(
        release,
        PATCH
        + KERNEL
        + """
honest = answer.show_reply
def late(*given):
    send("status", {"execution_state": "idle"})
    honest(*given)
answer.show_reply = late
""",
        n_correct=CONSTANT,
    )


@attack("n_correct: not yet")
def replies_without_a_status(release):
    return own_cell(
        release,
        """
        kernel = get_ipython().kernel
        async def strange(*args, **kwargs):
            return {}
        honest = kernel.session.send
        def send(stream, kind, content=None, *args, **kwargs):
            if kind == "execute_reply":
                content = {}
            return honest(stream, kind, content, *args, **kwargs)
        kernel.session.send = send
        """,
        n_correct=CONSTANT,
    )


@attack("n_correct: not yet")
def frames_that_are_no_message(release):
    return own_cell(
        release,
        """
        kernel = get_ipython().kernel
        mark = b"<IDS|MSG>"
        for frames in ([b"junk"], [b""], [mark], [mark] + [b"{}"] * 5, [b"x"] * 300):
            kernel.iopub_socket.send_multipart(frames)
        """,
        n_correct=CONSTANT,
    )


@attack("n_correct: not yet")
def messages_that_are_not_signed(release):
    return own_cell(
        release,
        """
        from jupyter_client.session import Session
        kernel = get_ipython().kernel
        Session(key=b"another").send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "x"})
        """,
        n_correct=CONSTANT,
    )


@attack("n_correct: not yet")
def messages_without_their_fields(release):
    return own_cell(
        release,
        KERNEL
        + """
for kind in ("stream", "display_data", "execute_result", "error", "status", "clear_output",
             "update_display_data", "comm_open", "comm_msg", "comm_close", "nonsense", "x" * 10**6):
    for content in ({}, {"data": 7, "metadata": 7, "name": 7, "text": 7, "transient": 7},
                    {"transient": {"display_id": []}, "execution_state": [], "execution_count": {}},
                    {"data": {"text/plain": {}, "image/png": [1], 7: None}, "metadata": {"a": 1},
                     "execution_count": "many", "name": "stdout", "text": ["a"], "ename": 1,
                     "evalue": None, "traceback": "text", "comm_id": [], "target_name": {}}):
        send(kind, content)
""",
        n_correct=CONSTANT,
    )


@attack("n_correct: correct", n_correct=1)
def pictures_that_are_none(release):
    """Displayed by an otherwise right notebook; its page must be made all the same."""
    return own_cell(
        release,
        """
        from IPython.display import display
        for kind in ("image/png", "image/svg+xml", "text/html", "text/latex", "text/markdown",
                     "application/json", "application/javascript", "text/plain",
                     "application/vnd.jupyter.widget-view+json"):
            for data in (7, None, {"a": 1}, ["x"], "%%%", ""):
                display({kind: data}, metadata={kind: {"width": '"><script>'}}, raw=True)
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def display_updated_that_a_check_made(release):
    return own_cell(
        release,
        "def later():\n    handle.update('again')",
        n_correct=RIGHT.replace(
            "    return",
            "    global handle\n"
            "    from IPython.display import display\n"
            "    handle = display('during the check', display_id='one')\n"
            "    return",
        ),
        evaluate="later()\nclass evaluate: ...\nhandle.update('and again')",
    )


@attack("n_correct: correct", n_correct=1)
def widgets_that_catch_outputs(release):
    return own_cell(
        release,
        """
        from comm import create_comm
        for n in range(50):
            comm = create_comm(target_name="jupyter.widget", data={"state": {
                "_model_name": "OutputModel", "_model_module": "@jupyter-widgets/output",
                "msg_id": "x", "outputs": [1], "big": "x" * 1000}}, metadata={"version": "2.0.0"})
            comm.send({"method": "update", "state": {"msg_id": "y"}, "buffer_paths": [["a"]]})
            comm.send({"method": "custom", "content": 7})
        """,
        n_correct=RIGHT,
    )


@attack("n_correct: correct", n_correct=1)
def half_a_surrogate_pair(release):
    """Texts that cannot be written as UTF-8."""
    return own_cell(
        release,
        """
        from IPython.display import display, HTML
        print("\\ud800 \\udfff \\0 \\x1b[31m \\u202e")
        display(HTML("\\ud800"), metadata={"\\ud800": "\\ud800"})
        raise ValueError("\\ud800")
        """,
        n_correct=RIGHT,
        evaluate="def evaluate(*a, **k):\n    raise ValueError('\\ud800')",
        freeze="def freeze(module):\n    return {'\\ud800': '\\ud800'}",
    )


@attack("n_correct: your code raised")
def asks_the_instructor_for_input(release):
    return "def n_correct(logits, labels):\n    return int(input('How many? ') or 20)"


@attack("n_correct: not")
def kernel_shuts_itself_down(release):
    return own_cell(
        release,
        """
        kernel = get_ipython().kernel
        kernel.shell.ask_exit()
        kernel.shell.payload_manager.write_payload({"source": "set_next_input", "text": "evil",
                                                    "replace": True})
        kernel.do_shutdown(restart=True)
        kernel.io_loop.call_later(0, kernel.io_loop.stop)
        """,
        n_correct=CONSTANT,
    )


@attack("n_correct: not yet")
def counts_as_texts(release):
    return own_cell(
        release,
        "get_ipython().execution_count = 10**30\nget_ipython().kernel.execution_count = 'many'",
        n_correct=CONSTANT,
    )


@attack("n_correct: not")
def sockets_closed(release):
    return own_cell(
        release,
        "kernel = get_ipython().kernel\nkernel.iopub_socket.close()\n"
        "[stream.close() for stream in (kernel.shell_stream, kernel.control_stream) if stream]",
        n_correct=CONSTANT,
    )


@attack("not gradable|n_correct: not yet")
def message_that_never_ends(release):
    """Part after part of one message, written past the library that would bound it."""
    return own_cell(
        release,
        CAGED
        + """
import socket, struct, threading
part = b"\\x03" + struct.pack(">Q", 2**20) + bytes(2**20)
def flood(fd):
    try:
        with socket.socket(fileno=fd) as peer:
            peer.getpeername()
            for _ in range(4 * 1024):
                peer.sendall(part)
    except OSError:
        pass
for fd in range(3, 100):
    threading.Thread(target=flood, args=(fd,)).start()
""",
        n_correct=CONSTANT,
    )
