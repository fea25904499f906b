"""Where a server's doors stand: addresses of the network, and sockets in the file system.

Reads nothing from them. Who may connect to a socket in the file system is what its mode and its
folder say: its owner and its group, whatever programs run beside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Bind = tuple[str, int] | Path
"""Host and port to listen on (port 0 takes a free one), or the path of a socket."""

LOCAL = "unix"
"""What stands for the address of whoever connected to a socket in the file system."""

_BACKLOG = 1024
_MODE = 0o660


@contextlib.contextmanager
def listening(*binds: Bind) -> Iterator[list[socket.socket]]:
    """A listener at each of these, closed at the end. Raises OSError, saying where, if one can't
    be had."""
    with contextlib.ExitStack() as stack:
        yield [_opened(stack, bind) for bind in binds]


def port(listener: socket.socket) -> int:
    """The port listened on; 0 for a socket in the file system."""
    return 0 if listener.family is socket.AF_UNIX else int(listener.getsockname()[1])


def is_local(connection: Any) -> bool:
    """Whether a connection's socket stands in the file system. None: not known, hence no."""
    return connection is not None and connection.family is socket.AF_UNIX


def _opened(stack: contextlib.ExitStack, bind: Bind) -> socket.socket:
    try:
        return stack.enter_context(_at_path(bind) if isinstance(bind, Path) else _at_address(*bind))
    except OSError as error:
        where = f"unix:{bind}" if isinstance(bind, Path) else f"{bind[0]}:{bind[1]}"
        raise OSError(error.errno, f"can't listen at {where}: {error.strerror}") from error


def _at_address(host: str, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, number), family=family, backlog=_BACKLOG)


@contextlib.contextmanager
def _at_path(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        _clear(path)
        listener.bind(str(path))
        # Nobody can connect before `listen`, so nobody meets the mode it was made with.
        os.chmod(path, _MODE)
        made = os.lstat(path).st_ino
        listener.listen(_BACKLOG)
        try:
            yield listener
        finally:
            with contextlib.suppress(FileNotFoundError):
                # Somebody may have put another one there meanwhile: that one is not ours.
                if os.lstat(path).st_ino == made:
                    path.unlink()


def _clear(path: Path) -> None:
    """Take away a socket nobody answers at, left by a server that was killed; nothing else."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "something else than a socket is there", str(path))
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), str(path))
