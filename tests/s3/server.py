"""An S3 server in a process of its own: moto, with a record of each request, and faults where they are asked for.

`python server.py FOLDER` writes the address into `FOLDER/address`, a line per request into `FOLDER/requests`, and reads
`FOLDER/faults.json` when that is there: `{"delay": 0.02}` waits before each answer; `{"every": 5, "status": 503}`
refuses every fifth request; `{"lose": ".zarr/0/", "times": 2}` carries out what is asked, and then never answers.
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

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

FOLDER = Path(sys.argv[1])
NUMBERS, LOST, LOCK = count(1), count(), threading.Lock()


def watched(app: Any) -> Any:
    """Wrap a server so that it does all of this."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        faults = json.loads(FILE.read_text()) if FILE.is_file() else {}
        time.sleep(faults.get("delay", 0))
        status: list[str] = []
        if "every" in faults and next(NUMBERS) % faults["every"] == 0:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(f"{faults['status']} Not now", [("Content-Length", "0")])
            body, status = b"", [str(faults["status"])]
        else:

            def begin(line: str, *rest: Any) -> Any:
                status.append(line)
                return start(line, *rest)

            body = b"".join(app(environ, begin))
        record = [environ["REQUEST_METHOD"], path, query, environ.get("HTTP_RANGE", ""), status[0][:3], len(body)]
        with LOCK, REQUESTS.open("a") as file:
            file.write(json.dumps(record) + "\n")
        if faults.get("lose", "\0") in path and environ["REQUEST_METHOD"] == "PUT" and next(LOST) < faults["times"]:
            time.sleep(3600)
        return [body]

    return answer


FILE, REQUESTS = FOLDER / "faults.json", FOLDER / "requests"
if __name__ == "__main__":
    running = make_server("127.0.0.1", 0, watched(DomainDispatcherApplication(create_backend_app)), threaded=True)
    (FOLDER / "address.new").write_text(f"http://127.0.0.1:{running.server_port}")
    (FOLDER / "address.new").rename(FOLDER / "address")
    running.serve_forever()
