"""A GPU marketplace in Flask with the gate in front of it, in one line.

    python examples/flask_marketplace.py kycgate.toml

Reads, rentals and stops of the marketplace go through the gate; the control plane (`kycgate serve`)
runs beside it from the same file.
"""

from __future__ import annotations

import sys

from flask import Flask, jsonify, request

from kycgate.gateway.flask import Kycgate, identity
from kycgate.gateway.view import GatePort

CATALOGUE = [{"hardware_id": 203, "hardware_name": "H100 PCIe", "max_gpus_per_container": 8}]
API = "/enterprise/v1/io-cloud/caas"


def create_app(gate: GatePort) -> Flask:
    """The marketplace as it always was, and one line more."""
    app = Flask(__name__)
    deployments: dict[str, str] = {}

    @app.get(f"{API}/hardware")
    def hardware():
        return jsonify({"data": CATALOGUE})

    @app.post(f"{API}/deploy")
    def deploy():
        number = f"d-{len(deployments) + 1}"
        deployments[number] = identity().account
        gpus = request.get_json()["gpus_per_container"]
        return jsonify({"data": {"deployment_id": number, "status": "deploying", "gpus": gpus}})

    Kycgate(app, gate=gate)
    return app


def main(config_path: str) -> None:
    from kycgate.assembly import load_config, open_services

    with open_services(load_config(config_path)) as services:
        create_app(services.gate).run(port=8080)


if __name__ == "__main__":
    main(sys.argv[1])
