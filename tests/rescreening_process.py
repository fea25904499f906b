"""One gate process for `test_rescreening`: says "ready", then when it first refuses the account.

python -m tests.rescreening_process CONFIG ACCOUNT
"""

from __future__ import annotations

import sys
import time

from kycgate.assembly import background, open_services
from kycgate.core.claims import Account

account = Account.from_key(sys.argv[2])
with open_services(sys.argv[1]) as services, background(services):
    assert services.identity.attestation(account, now=int(time.time())) is not None
    while services.store.setting("rescreened") is None:
        time.sleep(0.2)
    print("ready", flush=True)
    while services.identity.attestation(account, now=int(time.time())) is not None:
        time.sleep(0.02)
    print(time.time(), flush=True)
