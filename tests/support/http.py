"""Servers that answer tests over HTTP, each on a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def listening(answer: type[BaseHTTPRequestHandler], go_on: threading.Event) -> Iterator[str]:
    """A running server; its address. go_on: set at the end, for answers that wait for it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
