"""A page in Chromium, without a window, as its DevTools protocol drives it."""

import asyncio
import itertools
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
_ALONE = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
    "--remote-debugging-port=0",
)  # fmt: skip
LONGEST = 60  # seconds


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: str | None = None

    async def begin(self) -> None:
        target = (await self._ask("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self._ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]

    async def open(self, url: str) -> None:
        """Go there; what the page loads comes after that."""
        await self._ask("Page.navigate", url=url)

    async def hold_authenticator(self) -> str:
        """Plug in an authenticator that its holder unlocks at once; gives its id."""
        await self._ask("WebAuthn.enable")
        said = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        return str((await self._ask("WebAuthn.addVirtualAuthenticator", options=said))["authenticatorId"])

    async def unlock(self, authenticator: str, *, verified: bool) -> None:
        """Let its holder be seen, or not."""
        await self._ask("WebAuthn.setUserVerified", authenticatorId=authenticator, isUserVerified=verified)

    async def run(self, script: str) -> Any:
        """Give what an expression comes to, awaited; raises AssertionError with what it throws."""
        said = await self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def comes_to(self, script: str, wanted: Any) -> None:
        """Wait until an expression comes to a value."""
        found = None
        for _ in range(LONGEST * 20):
            found = await self.run(script)
            if found == wanted:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{script} is {found!r}, not {wanted!r}")

    async def _ask(self, method: str, **said: Any) -> Any:
        number = next(self._numbers)
        session = {} if self._session is None else {"sessionId": self._session}
        await self._socket.send(json.dumps({"id": number, "method": method, "params": said, **session}))
        async with asyncio.timeout(LONGEST):
            while (answer := json.loads(await self._socket.recv())).get("id") != number:
                pass
        assert "error" not in answer, answer["error"]
        return answer["result"]


@asynccontextmanager
async def page(folder: Path) -> AsyncIterator[Page]:
    """Give a tab of a browser that keeps what it keeps in the folder."""
    browser = await asyncio.create_subprocess_exec(
        str(BROWSER), *_ALONE, f"--user-data-dir={folder}", stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        async with connect(await _address(browser), max_size=None, proxy=None) as socket:
            tab = Page(socket)
            await tab.begin()
            yield tab
    finally:
        with suppress(ProcessLookupError):
            os.killpg(browser.pid, signal.SIGKILL)  # Debian's command is a shell that starts the browser
        await browser.communicate()


async def _address(browser: asyncio.subprocess.Process) -> str:
    """Read where the browser is asked."""
    assert browser.stderr is not None
    said = []
    async with asyncio.timeout(LONGEST):
        async for line in browser.stderr:
            said.append(line.decode())
            if (found := re.match(r"DevTools listening on (\S+)", said[-1])) is not None:
                return found[1]
    raise AssertionError("".join(said))
