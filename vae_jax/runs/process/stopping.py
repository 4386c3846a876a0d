"""SIGTERM and Ctrl-C: a command ends within seconds, whatever it is doing, and its newest whole state is kept.

A signal is a request at first: training checks for it after every epoch, saves, and ends. Anything that takes longer,
such as a compilation, is cut off after a grace period. This loses only the time since the last checkpoint: files are
written whole or not at all, and a resumed run arrives at the same bytes. The exit status is 128 + the signal, as in a
shell: 143 for SIGTERM, 130 for Ctrl-C. A second signal ends the command at once.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GRACE = 5.0  # seconds
SIGNALS = (signal.SIGTERM, signal.SIGINT)
_asked = threading.Event()


class Stopped(Exception):
    """Training ended because it was asked to; the message says how far it got."""


def asked() -> bool:
    """Whether the command was asked to stop."""
    return _asked.is_set()


@contextmanager
def listening() -> Iterator[None]:
    """Answer the signals while the block runs, and raise `SystemExit` with the status if it was stopped.

    Only the main thread may listen; in any other, the block just runs.

    Python runs signal handlers only between its own instructions, and during a compilation the next one may be minutes
    away. So a thread waits for the byte that the interpreter writes when a signal arrives.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    receive, send = socket.socketpair()
    send.setblocking(False)
    previous = [signal.signal(number, lambda *_: None) for number in SIGNALS]
    descriptor = signal.set_wakeup_fd(send.fileno(), warn_on_full_buffer=False)
    _asked.clear()
    received: list[int] = []
    watcher = threading.Thread(target=_watch, args=(receive, received), daemon=True)
    watcher.start()
    try:
        yield
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        raise SystemExit(128 + (received[0] if received else signal.SIGTERM)) from None
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in zip(SIGNALS, previous, strict=True):
            signal.signal(number, handler)
        send.close()  # the watcher reads the end of the stream and returns
        watcher.join()
        receive.close()


def _watch(receive: socket.socket, received: list[int]) -> None:
    """Wait for a signal; then for a second one, the end of the block, or the end of the grace period."""
    while True:
        try:
            byte = receive.recv(1)
        except TimeoutError:
            os._exit(128 + received[0])
        if not byte:
            return
        if byte[0] in SIGNALS:
            received.append(byte[0])
            if len(received) > 1:
                os._exit(128 + received[0])
            _asked.set()
            print("\nstopping: what is written is whole, and a run goes on with --resume.", file=sys.stderr, flush=True)
            receive.settimeout(GRACE)
