"""Asks the container's own control plane whether it works, through nginx: exit 0 if it does."""

import contextlib
import os
import ssl
import sys
import urllib.request

port = os.environ.get("KYCGATE_CONTROL_PORT", "8081")
# Its own certificate names the public host, not this one; nothing secret is asked.
context = ssl._create_unverified_context()
for scheme in ("http", "https"):
    with contextlib.suppress(OSError):
        url = f"{scheme}://127.0.0.1:{port}/healthz"
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:
            sys.exit(0 if answer.status == 200 else 1)
sys.exit(1)
