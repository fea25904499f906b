"""Rents GPUs through the gate from a program: signs each request, keeps the permit.

    KYCGATE_RENTER_KEY=… python examples/renter_bot.py --gate URL --marketplace URL

The key stays in the environment or a file; the marketplace's API is called as it always was.
"""

from __future__ import annotations

import argparse
import json

from kycgate.client import RenterSession
from kycgate.keys import load_signer

DEPLOY = "/enterprise/v1/io-cloud/caas/deploy"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gate", required=True, help="the gate's control plane")
    parser.add_argument("--marketplace", required=True, help="the marketplace behind the gate")
    parser.add_argument("--key", default="env:KYCGATE_RENTER_KEY", help="file:PATH or env:NAME")
    parser.add_argument("--hardware", type=int, default=203, help="hardware id of the marketplace")
    args = parser.parse_args()

    job = {
        "resource_private_name": "kycgate-bot",
        "hardware_id": args.hardware,
        "duration_hours": 24,
        "gpus_per_container": 8,
        "container_config": {"replica_count": 1, "traffic_port": 8000},
        "registry_config": {"image_url": "nginx:latest"},
    }
    with RenterSession(
        args.gate, marketplace=args.marketplace, signer=load_signer(args.key)
    ) as session:
        answer = session.post(DEPLOY, json=job)
        if not answer.ok:
            print(json.dumps(answer.json(), indent=2))
            return 1
        permit = session.permit_for(answer)
    print(json.dumps(answer.json()))
    if permit is not None:
        print(f"permit for job 0x{permit.permit.job.hex()}, open before {permit.permit.deadline}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
