"""A real Chromium with a test wallet in it, driven over its own debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from kycgate.core.claims import checksum
from kycgate.core.typed import personal_digest
from kycgate.keys import LocalSigner

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
)
# EIP-1193 providers whose key is in the test: each signature is asked for through a binding. They
# announce themselves (EIP-6963); with no names, one stands as window.ethereum instead.
_WALLET = """
(() => {
  const waiting = {};
  const heard = [];
  window.walletAnswers = (id, answer) => waiting[id](answer);
  window.walletWaits = (id, resolve) => { waiting[id] = resolve; };
  window.walletTurnsTo = (account) => { for (const tell of heard) tell([account]); };
  window.walletAccount = "ACCOUNT";
  const provider = {
    on: (event, tell) => { if (event === "accountsChanged") heard.push(tell); },
    removeListener: (event, tell) => { heard.splice(heard.indexOf(tell), 1); },
    request: ({ method, params }) => {
      if (method === "eth_requestAccounts") return Promise.resolve([window.walletAccount]);
      if (method === "eth_chainId") return Promise.resolve("CHAIN");
      if (window.walletDeclines) return Promise.reject({ code: 4001, message: "no" });
      return new Promise((resolve) => {
        const id = String(Object.keys(waiting).length);
        waiting[id] = resolve;
        window.walletSigns(JSON.stringify({ id, method, params }));
      });
    },
  };
  const names = NAMES;
  if (names.length === 0) { window.ethereum = provider; return; }
  addEventListener("eip6963:requestProvider", () => {
    for (const name of names) {
      const info = { uuid: name, name, icon: "data:image/svg+xml,<svg/>", rdns: "test." + name };
      dispatchEvent(new CustomEvent("eip6963:announceProvider",
        { detail: Object.freeze({ info, provider }) }));
    }
  });
})();
"""
# Headless Chromium has the Digital Credentials API and no wallet to ask: ours stands in for it.
_DIGITAL = """
window.DigitalCredential = class {};
navigator.credentials.get = ({ digital }) => new Promise((resolve) => {
  const id = "digital" + Math.random();
  window.walletWaits(id, resolve);
  window.walletSigns(JSON.stringify({ id, method: "digital", params: digital }));
});
"""
_NO_DIGITAL = "delete window.DigitalCredential;"
# What a laboratory would note of the page: shifts nobody asked for, how much was fetched, by whom.
_METER = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) {
    if (each.hadRecentInput) continue;
    window.shifts.push([each.value, each.startTime, each.lastInputTime, each.sources.map((s) =>
      [s.node?.className || s.node?.nodeName, s.previousRect.top, s.currentRect.top])]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


def program() -> str | None:
    """Chromium by whatever name it is installed."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


_QUIET = asyncio.subprocess.DEVNULL


class NotAnswered(AssertionError):
    """The page could not evaluate what was asked."""


class Chromium:
    """One page of one browser. `complaints` collects what its console and policy objected to."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, signer: LocalSigner) -> None:
        self._socket = socket
        self._signer = signer
        self.wallets: tuple[str, ...] = ("Test Wallet",)
        self.chain = 1
        self._number = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.complaints: list[str] = []
        self.signed: list[str] = []
        self.fetched: list[str] = []
        self.interactions = 0
        """what a person did: presses here, and consents in a wallet"""
        self.presents: Callable[[dict[str, Any]], dict[str, Any]] | None = None
        """a wallet behind the Digital Credentials API; None: the browser has no such API"""

    async def listen(self) -> None:
        """Sort what the browser says into answers, signing requests and complaints."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.bindingCalled":
                asyncio.get_running_loop().create_task(self._sign(said["params"]["payload"]))
            elif said["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(said["params"]))
            elif said["method"] == "Network.requestWillBeSent":
                self.fetched.append(said["params"]["request"]["url"])

    async def call(self, method: str, **params: Any) -> Any:
        self._number += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._number] = future
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        answer = await asyncio.wait_for(future, 20)
        if "error" in answer:
            raise NotAnswered(answer["error"]["message"])
        return answer["result"]

    async def script(self, code: str) -> Any:
        """The value of an expression in the page."""
        done = await self.call("Runtime.evaluate", expression=code, awaitPromise=True)
        if "exceptionDetails" in done:
            raise NotAnswered(str(done["exceptionDetails"]))
        return done["result"].get("value")

    async def until(self, code: str) -> None:
        """Wait until a wholly loaded page, its scripts run, makes an expression true."""
        for _ in range(200):
            # Between two pages there is nothing to ask, or not yet what the expression names.
            with contextlib.suppress(NotAnswered):
                if await self.script(f"document.readyState === 'complete' && Boolean({code})"):
                    return
            await asyncio.sleep(0.05)
        raise AssertionError(
            f"never true: {code}; page: {await self.script('document.body.innerText')}"
        )

    async def open(self, url: str) -> None:
        await self.call("Page.enable")
        await self.call("Runtime.enable")
        await self.call("Log.enable")
        await self.call("Network.enable")
        await self.call("Runtime.addBinding", name="walletSigns")
        wallet = _WALLET.replace("ACCOUNT", checksum(self._signer.address))
        wallet = wallet.replace("NAMES", json.dumps(self.wallets)).replace("CHAIN", hex(self.chain))
        for source in (wallet, _METER, _NO_DIGITAL if self.presents is None else _DIGITAL):
            await self.call("Page.addScriptToEvaluateOnNewDocument", source=source)
        await self.go(url)

    async def go(self, url: str) -> None:
        """Follow an address as if it were typed."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href.startsWith({json.dumps(url.split('#')[0])})")

    async def ready(self) -> None:
        """Wait until the page's own script has started."""
        await self.until("document.documentElement.dataset.ready === 'yes'")

    async def click(self, selector: str) -> None:
        """Press what is there and can be seen, with the mouse: what covers it would be pressed."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"{found} && {found}.checkVisibility()")
        box = (
            f"(() => {{ const e = {found}; e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect();"
            " return JSON.stringify([b.left + b.width / 2, b.top + b.height / 2]); })()"
        )
        x, y = json.loads(await self.script(box))
        event = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.interactions += 1
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, **event)

    async def fill(self, selector: str, value: str) -> None:
        """Type into a field, as its listeners hear it."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.until(found)
        typed = (
            f"e.value = {json.dumps(value)}; e.dispatchEvent(new Event('input', {{bubbles: true}}))"
        )
        await self.script(f"(() => {{ const e = {found}; {typed}; }})()")

    async def choose(self, selector: str, value: str) -> None:
        """Fill in and leave, as choosing from a list or going to the next field does."""
        await self.fill(selector, value)
        found = f"document.querySelector({json.dumps(selector)})"
        await self.script(f"{found}.dispatchEvent(new Event('change', {{bubbles: true}}))")

    async def attach(self, selector: str, file: Path) -> None:
        """Choose a file."""
        await self.call("DOM.enable")
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = await self.call("DOM.querySelector", nodeId=root, selector=selector)
        await self.call("DOM.setFileInputFiles", files=[str(file)], nodeId=node["nodeId"])

    def signs_for(self, signer: LocalSigner) -> None:
        """From now on the wallet holds another key."""
        self._signer = signer

    async def press(self, key: str, *, shift: bool = False) -> None:
        """One key of the keyboard, where the focus is."""
        codes = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39, "ArrowLeft": 37, "End": 35}
        text = {"Enter": "\r", " ": " "}.get(key)
        event = {"key": key, "windowsVirtualKeyCode": codes[key], "modifiers": 8 if shift else 0}
        down = event | ({"text": text} if text else {})
        await self.call("Input.dispatchKeyEvent", type="keyDown", **down)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    async def size(self, width: int, height: int = 900, *, mobile: bool = False) -> None:
        """The window, in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        await self.call("Emulation.setDeviceMetricsOverride", **size)

    async def prefer(self, **features: str) -> None:
        """What the reader prefers: `color_scheme="dark"`, `reduced_motion="reduce"`."""
        told = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        await self.call("Emulation.setEmulatedMedia", features=told)

    async def shot(self, file: Path) -> None:
        """The whole page as a picture."""
        told = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(told["data"]))

    async def _sign(self, payload: str) -> None:
        asked = json.loads(payload)
        self.interactions += 1  # a person agrees in the wallet's own window
        if asked["method"] == "digital":
            assert self.presents is not None
            answer: Any = self.presents(asked["params"])
        else:
            assert asked["method"] == "personal_sign", asked
            text = bytes.fromhex(asked["params"][0][2:]).decode()
            self.signed.append(text)
            answer = "0x" + self._signer.sign_digest(personal_digest(text.encode())).hex()
        await self.script(f"walletAnswers({json.dumps(asked['id'])}, {json.dumps(answer)})")


async def aside(work: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Run what blocks without stopping the browsers."""
    return await asyncio.to_thread(work, *args, **named)


async def beside(folder: Path, signer: LocalSigner, story: Callable[[Chromium], Any]) -> Any:
    """A second browser while the first waits. Gives what its story gives."""
    found = program()
    assert found is not None
    words = [found, *_ARGUMENTS, f"--user-data-dir={folder}", "about:blank"]
    process = await asyncio.create_subprocess_exec(*words, stdout=_QUIET, stderr=_QUIET)
    told: list[Any] = []

    async def kept(page: Chromium) -> None:
        told.append(await story(page))

    try:
        await _run(folder, signer, kept)
    finally:
        process.terminate()
        await process.wait()
    return told[0]


def drive(folder: Path, signer: LocalSigner, story: Callable[[Chromium], Any]) -> Chromium:
    """Start Chromium, run the story on a blank page, end Chromium."""
    found = program()
    assert found is not None
    words = [found, *_ARGUMENTS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            return asyncio.run(_run(folder, signer, story))
        finally:
            browser.terminate()


async def _run(folder: Path, signer: LocalSigner, story: Callable[[Chromium], Any]) -> Chromium:
    port = await _port(folder / "DevToolsActivePort")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{port}/json") as answer:
            pages = await answer.json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        async with http.ws_connect(address, max_msg_size=0) as socket:
            page = Chromium(socket, signer)
            listening = asyncio.create_task(page.listen())
            await story(page)
            listening.cancel()
            return page


async def _port(file: Path) -> int:
    for _ in range(300):
        if file.exists() and file.read_text().strip():
            return int(file.read_text().splitlines()[0])
        await asyncio.sleep(0.05)
    raise AssertionError("Chromium did not start")
