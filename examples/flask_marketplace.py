"""A GPU marketplace in Flask with the gate in front of it, in one line.

    python examples/flask_marketplace.py kycgate.toml

Catalogue, rentals and stops go through the gate; the control plane (`kycgate serve`) runs beside
it from the same file. The gate looks hardware ids up itself, on a loopback port of the bare
marketplace: `upstream` in the file.
"""

from __future__ import annotations

import sys
import threading
import time

from flask import Flask, jsonify, request
from werkzeug.serving import run_simple

from kycgate import KycgateWSGI
from kycgate.gateway.flask import identity

API = "/enterprise/v1/io-cloud/caas"
CATALOGUE = [{"hardware_id": 203, "hardware_name": "H100 PCIe", "max_gpus_per_container": 8}]


def create_app() -> Flask:
    """The marketplace as it always was; `identity()` tells it who rents."""
    app = Flask(__name__)
    renters: dict[str, str] = {}

    @app.get(f"{API}/hardware")
    def hardware():
        return jsonify({"data": CATALOGUE})

    @app.post(f"{API}/deploy")
    def deploy():
        number = f"d-{len(renters) + 1}"
        renters[number] = identity().account
        gpus = request.get_json()["gpus_per_container"]
        return jsonify({"data": {"deployment_id": number, "status": "deploying", "gpus": gpus}})

    return app


def gated(app: Flask, gate):
    """The one line."""
    return KycgateWSGI(app, gate, clock=lambda: int(time.time()))


def main(config_path: str) -> None:
    from kycgate.assembly import open_services

    app = create_app()
    inner = threading.Thread(target=run_simple, args=("127.0.0.1", 8090, app), daemon=True)
    inner.start()
    with open_services(config_path) as services:
        run_simple("127.0.0.1", 8080, gated(app, services.gate), threaded=True)


if __name__ == "__main__":
    main(sys.argv[1])
