"""A marketplace that acts on nothing its gate did not let through, in one line.

    python examples/marketplace_verifies.py https://api.example https://api.marketplace.internal

The two origins are `gate.gateway_url` and `marketplace.upstream` of the gate's configuration, which
names a key: `[keys] assertion`. The gate's public key is fetched from the first one.
"""

from __future__ import annotations

import sys

from flask import Flask, jsonify, request
from werkzeug.serving import run_simple

from kycgate import RequireAssertion

API = "/enterprise/v1/io-cloud/caas"


def create_app(gate: str, audience: str) -> Flask:
    """The marketplace as it always was, but for one line."""
    app = Flask(__name__)
    app.wsgi_app = RequireAssertion(app.wsgi_app, gate=gate, audience=audience)  # the one line

    @app.get(f"{API}/hardware")
    def hardware():
        return jsonify({"data": [{"hardware_id": 203, "hardware_name": "H100 PCIe"}]})

    @app.post(f"{API}/deploy")
    def deploy():
        said = request.environ["kycgate.assertion"]
        return jsonify({"data": {"deployment_id": f"d-{said.id[:8]}", "renter": said.account}})

    return app


if __name__ == "__main__":
    run_simple("127.0.0.1", 8090, create_app(sys.argv[1], sys.argv[2]), threaded=True)
