"""S3 servers in a process of their own: moto, with a record of each request, and faults where they are asked for.

For each folder named on a line of its input, `python server.py` starts an empty server in place of the one before. It
writes the address into `FOLDER/address`, a line per request into `FOLDER/requests`, and reads `FOLDER/faults.json` when
that is there: `{"delay": 0.02}` waits before each answer; `{"every": 5, "status": 503}`
refuses every fifth request; `{"unconditional": true}` refuses all that are to be done on a condition;
`{"lose": ".zarr/0/", "times": 2}` carries out what is asked, and then never answers.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

from moto.moto_api._internal.models import moto_api_backend
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server


def watched(app: Any, folder: Path) -> Any:
    """Wrap a server so that it does all of this."""
    numbers, lost, lock = count(1), count(), threading.Lock()
    file, requests = folder / "faults.json", folder / "requests"

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        faults = json.loads(file.read_text()) if file.is_file() else {}
        time.sleep(faults.get("delay", 0))
        status: list[str] = []
        if "unconditional" in faults and {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"} & set(environ):
            faults = {"every": 1, "status": 501}
        if "every" in faults and next(numbers) % faults["every"] == 0:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(f"{faults['status']} Not now", [("Content-Length", "0")])
            body, status = b"", [str(faults["status"])]
        else:

            def begin(line: str, *rest: Any) -> Any:
                status.append(line)
                return start(line, *rest)

            body = b"".join(app(environ, begin))
        record = [environ["REQUEST_METHOD"], path, query, environ.get("HTTP_RANGE", ""), status[0][:3], len(body)]
        with lock, requests.open("a") as opened:
            opened.write(json.dumps(record) + "\n")
        if faults.get("lose", "\0") in path and environ["REQUEST_METHOD"] == "PUT" and next(lost) < faults["times"]:
            time.sleep(3600)
        return [body]

    return answer


def started(app: Any, folder: Path) -> BaseWSGIServer:
    """Start a server and write its address."""
    running = make_server("127.0.0.1", 0, watched(app, folder), threaded=True)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    (folder / "address.new").write_text(f"http://127.0.0.1:{running.server_port}")
    (folder / "address.new").rename(folder / "address")
    return running


if __name__ == "__main__":
    backend, before = DomainDispatcherApplication(create_backend_app), None
    for line in sys.stdin:
        if before is not None:
            before.shutdown()
        moto_api_backend.reset()
        before = started(backend, Path(line.rstrip("\n")))
