"""A headless Chromium without a network, driven by its DevTools protocol; pages are looked at as pixels."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium, so no page was looked at")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader", "--disable-quic",
    "--enable-unsafe-swiftshader", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--window-size=800,600", "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def look_at(url: str, profile: Path, seen: Callable[[np.ndarray], bool], seconds: float = 30) -> tuple[Any, list[str]]:
    """Show a page until a picture of it is as wanted, or time is over.

    Args:
        url: of the page. profile: an empty folder. seen: says of a picture whether it is.

    Returns:
        The last picture, uint8 of shape (height, width, 3), and what the page complained of.
    """
    process = subprocess.Popen(
        [str(CHROMIUM), *_FLAGS, f"--user-data-dir={profile}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return asyncio.run(_look(url, profile / "DevToolsActivePort", seen, time.monotonic() + seconds))
    finally:
        process.kill()
        process.wait()


async def _look(url: str, port: Path, seen: Callable[[np.ndarray], bool], end: float) -> tuple[Any, list[str]]:
    while not (port.exists() and port.read_text()):
        assert time.monotonic() < end, "Chromium did not start"
        await asyncio.sleep(0.05)
    address = f"http://127.0.0.1:{port.read_text().split()[0]}/json/new?about:blank"
    complaints: list[str] = []
    async with aiohttp.ClientSession() as session:
        async with session.put(address) as answer:
            page = await answer.json()
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            numbers = iter(range(1, 10**6))

            async def call(method: str, **parameters: Any) -> dict[str, Any]:
                number = next(numbers)
                await socket.send_json({"id": number, "method": method, "params": parameters})
                while True:
                    said = json.loads((await socket.receive()).data)
                    if said.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                        complaints.append(json.dumps(said["params"]))
                    if said.get("id") == number:
                        return dict(said["result"])

            for part in ("Log.enable", "Runtime.enable", "Page.enable"):
                await call(part)
            await call("Page.navigate", url=url)
            while True:
                await asyncio.sleep(0.3)
                png = base64.b64decode((await call("Page.captureScreenshot"))["data"])
                picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
                if seen(picture) or time.monotonic() > end:
                    return picture, complaints
