"""A headless Chromium, spoken to by its DevTools protocol: what a reader of a report sees and may press."""

import asyncio
import base64
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
START_S, CALL_S = 60.0, 120.0
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
)


class Tab:
    """One page in the browser. Scripts given to `ask` run beside the page's own, whatever its policy forbids."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._n = socket, 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **params: Any) -> Any:
        """What a command gives back; AssertionError where the browser refuses it."""
        self._n += 1
        await self._socket.send_json({"id": self._n, "method": method, "params": params})
        async with asyncio.timeout(CALL_S):
            while (told := await self._socket.receive_json()).get("id") != self._n:
                self.events.append(told)
        assert "error" not in told, f"{method}: {told['error']}"
        return told["result"]

    async def ask(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        got = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    async def look(self, *, dark: bool = False, width: int = 1100, height: int = 900, scripts: bool = True) -> None:
        """How the next page is to be seen."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        await self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    async def open(self, page: Path) -> None:
        """Loads a file and waits until it is all there."""
        await self.call("Page.enable")
        self.events.clear()
        await self.call("Page.navigate", url=page.resolve().as_uri())
        async with asyncio.timeout(CALL_S):
            while not any(told.get("method") == "Page.loadEventFired" for told in self.events):
                self.events.append(await self._socket.receive_json())

    async def press(self, key: str) -> None:
        """A key, down and up: Tab, Escape, ArrowRight …"""
        codes = {"Tab": 9, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35, " ": 32, "Enter": 13}
        same = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        await self.call("Input.dispatchKeyEvent", type="rawKeyDown", **same)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **same)

    async def picture(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of what is seen, of the whole page by default."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def pdf(self, path: Path) -> None:
        """The page on paper, as its own style sheet asks."""
        printed = await self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        path.write_bytes(base64.b64decode(printed["data"]))


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Tab]:
    """A tab of a browser of its own, which ends with the block."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="orderjam-browser-", ignore_cleanup_errors=True) as profile:
        child = await asyncio.create_subprocess_exec(
            *(CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            port = await _port(child)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    (tab,) = [one for one in await answer.json() if one["type"] == "page"]
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    yield Tab(socket)
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await child.wait()


async def _port(child: asyncio.subprocess.Process) -> int:
    """The port that the browser tells of when it listens."""
    assert child.stderr is not None
    async with asyncio.timeout(START_S):
        while line := (await child.stderr.readline()).decode():
            if line.startswith("DevTools listening on"):
                return int(line.split("127.0.0.1:")[1].split("/")[0])
    raise AssertionError("Chromium ended before it listened")
