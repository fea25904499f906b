"""From the refusal's link to the attestation with a wallet credential, in a real browser, on the
assembled product. Only the wallets are trial ones.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from kycgate.assembly import Services
from kycgate.assembly.rules import domain, open_signer
from kycgate.core.attestation import (
    SignedAttestation,
    UnsafeNoRevocations,
    ValidAttestation,
    verify,
)
from kycgate.core.claims import Account
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.demo.trial_wallet import answer_dc_request, follow_link
from kycgate.issuer.details import document as as_document
from kycgate.store.records.jobs import Refusal
from kycgate.store.records.signin import Session
from kycgate.web.access import token_hash
from tests.issuer.pictures import a_jpeg
from tests.issuer.test_mrz import with_digits
from tests.test_assembly_credentials import configured, running
from tests.web import chromium
from tests.web.browser import ALICE, MALLORY
from tests.web.test_quality import AXE, violations

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.program() is None, reason="Chromium is missing: make setup"),
]
REFUSAL = "Zk1x0aPq7-LmN_2wYt8RuA"
_ASKED = {"action": "rent", "gpu_model": "H100", "gpu_count": 8, "hours": 24}
INTERACTIONS_MOST = 6


def _refuse(services: Services) -> str:
    """The address a refused renter gets."""
    services.store.add_refusal(
        Refusal(REFUSAL, int(time.time()), _ASKED, ("missing:attestation",), "rent.test")
    )
    return f"{services.config.gate.public_url}/r/{REFUSAL}"


def _holds(services: Services, wire: str) -> bool:
    """Whether the document is an attestation of ours for Alice, by the verifier anybody can run."""
    held, now = SignedAttestation.from_wire(wire.encode()), int(time.time())
    key, ours = open_signer(services.config, services.config.keys.issuer), domain(services.config)
    issuer = TrustedIssuer(key.address, ours.version, ours.chain_id, ours.eas, now - 10**6, None)
    verdict = verify(
        held,
        trust=TrustList.pinned(issuer),
        revocations=UnsafeNoRevocations(),
        recipient=ALICE.address,
        schema=held.attestation.schema,
        now=now,
    )
    return isinstance(verdict, ValidAttestation)


async def _grown_old(page: chromium.Chromium, services: Services) -> None:
    """The same renter in the same place, hours after the wallet signed."""
    token, now = "kgs_" + "o" * 43, int(time.time())
    account = Account(ALICE.address).key
    held = Session(token_hash(token), account, "sign-in", now - 7200, now + 7200)
    services.store.add_session(held)
    origin = services.config.gate.public_url
    await page.call("Network.setCookie", name="kycgate_session", value=token, url=origin)
    await page.go(f"{origin}/account")
    await page.ready()


async def _signed_in(page: chromium.Chromium, address: str) -> None:
    await page.open(address)
    await page.click("a.button")
    await page.ready()
    await page.click("#connect")
    await page.until("document.querySelector('[data-module=prove]')")
    await page.ready()


def test_six_interactions_lead_from_the_refusal_to_the_attestation(tmp_path: Path) -> None:
    told: dict[str, Any] = {}
    with running(configured(tmp_path)) as (services, wallet):
        origin, address = services.config.gate.public_url, _refuse(services)

        def presents(request: dict[str, Any]) -> dict[str, Any]:
            return answer_dc_request(request, wallet, origin=origin, now=int(time.time()))

        async def story(page: chromium.Chromium) -> None:
            page.presents = presents
            began = time.perf_counter()
            await _signed_in(page, address)
            await page.click("[data-way=credential]")
            await page.until("document.querySelector('[data-module=rent]')")
            told["seconds"] = round(time.perf_counter() - began, 1)
            told["interactions"] = 1 + page.interactions  # and the link itself was opened
            told["attestation"] = await page.script("fetch('/v1/attestation').then(r => r.text())")
            await page.ready()
            await page.click("#make-key")
            await page.until("!document.querySelector('#lines-ionet').textContent.includes('•')")

        page = chromium.drive(tmp_path / "profile", ALICE, story)
        assert _holds(services, told.pop("attestation"))
    print(told)
    assert told["interactions"] <= INTERACTIONS_MOST
    assert page.complaints == []


def test_a_phone_proves_for_the_computer_that_waits(tmp_path: Path) -> None:
    """Hand-off, link to the wallet on the phone, back on the phone, done on the computer."""
    with running(configured(tmp_path)) as (services, wallet):
        address = _refuse(services)
        link: dict[str, str] = {}

        async def on_desktop(page: chromium.Chromium) -> None:
            await _signed_in(page, address)
            await page.click("[data-way=handoff]")
            await page.until("document.querySelector('#handoff-link')")
            link["url"] = await page.script("document.querySelector('#handoff-link').textContent")
            # The phone is another browser with other cookies and no wallet extension of Alice's.
            link["back"] = await chromium.beside(tmp_path / "phone", MALLORY, on_phone)
            await page.until("document.querySelector('[data-module=rent]')")

        async def on_phone(page: chromium.Chromium) -> str:
            await page.size(390, 844, mobile=True)
            await page.open(link["url"])
            await page.click("#claim")
            await page.until("document.querySelector('[data-phone=yes]')")
            await page.ready()
            await page.click("[data-way=credential]")
            await page.until("document.querySelector('.open-wallet')")
            if AXE.is_file():
                assert (await violations(page))["violations"] == []
            deep = await page.script("document.querySelector('.open-wallet').href")
            back = await chromium.aside(follow_link, deep, wallet, now=int(time.time()))
            await page.go(back)
            await page.until("document.querySelector('[role=alert]').textContent")
            said = await page.script("document.querySelector('[role=alert]').textContent")
            assert "Go back to your computer" in said
            status = await page.script("fetch('/v1/session').then(r => r.status)")
            assert status == 401, "the phone has let go"
            return str(back)

        desktop = chromium.drive(tmp_path / "profile", ALICE, on_desktop)
        assert len(desktop.signed) == 1
        assert link["back"].startswith(f"{services.config.gate.public_url}/back#")


def test_an_answer_made_for_another_site_leads_nowhere_and_says_so(
    tmp_path: Path,
) -> None:
    with running(configured(tmp_path)) as (services, wallet):
        address = _refuse(services)

        def presents(request: dict[str, Any]) -> dict[str, Any]:
            """What a wallet gave another site that passed our request on."""
            plain = {"requests": [e for e in request["requests"] if "unsigned" in e["protocol"]]}
            relayed, now = "https://elsewhere.example", int(time.time())
            return answer_dc_request(plain or request, wallet, origin=relayed, now=now)

        async def story(page: chromium.Chromium) -> None:
            page.presents = presents
            await _signed_in(page, address)
            await page.click("[data-way=credential]")
            await page.until("document.querySelector('#way-state').textContent.includes('not')")
            said = await page.script("document.querySelector('#way-state').textContent")
            assert "not accepted" in said
            state = "fetch('/v1/status').then(r => r.json()).then(s => s.state)"
            assert await page.script(state) == "not_started"
            await page.click("#way-back")
            await page.until("document.querySelector('#ways').checkVisibility()")

        chromium.drive(tmp_path / "profile", ALICE, story)
        assert services.store.cases(account="0x" + ALICE.address.hex()) == []


def test_an_organisation_tells_its_owners_and_the_companies_above_it(tmp_path: Path) -> None:
    """The real reading of the form: nested owners, a region where one matters, errors by field."""
    with running(configured(tmp_path)) as (services, _):
        address = services.config.gate.public_url

        async def story(page: chromium.Chromium) -> None:
            await page.open(f"{address}/organisation")
            await page.ready()
            await page.click("#connect")
            await page.until("document.querySelector('[data-kind=organisation]')")
            await page.ready()
            for name, value in {
                "name": "Straits Compute Pte. Ltd.",
                "registration_number": "202012345K",
                "representative.name": "Mei Tan",
                "lei": "529900T8BM49AURSDO56",
            }.items():
                await page.fill(f'[name="{name}"]', value)
            await page.choose("[name=country]", "SG")
            await page.choose("[name=headquarters_country]", "UA")
            await page.choose("[name=headquarters_region]", "UA-30")
            await page.choose("[name=headquarters_country]", "SG")
            hidden = "document.querySelector('[name=headquarters_region]').closest('[hidden]')"
            assert await page.script(f"{hidden} !== null"), "asked for only where it matters"
            await page.click("[name=top][value=none]")
            await page.click("#add-owner")
            owner = "#owners > li"
            await page.fill(f"{owner} [data-name=name]", "Straits Holdings")
            await page.choose(f"{owner} [data-name=kind]", "organisation")
            await page.choose(f"{owner} [data-name=country]", "UA")
            await page.choose(f"{owner} [data-name=region]", "UA-30")
            await page.fill(f"{owner} [data-name=share]", "60,5")
            await page.click(f"{owner} .add-above")
            inner = f"{owner} .owners > li"
            await page.fill(f"{inner} [data-name=name]", "Mei Tan")
            await page.choose(f"{inner} [data-name=country]", "SG")
            await page.fill(f"{inner} [data-name=share]", "100")
            await page.click("#details [type=submit]")
            await page.until("document.querySelector('.error')")
            said = await page.script("document.activeElement.name")
            assert said == "lei", "the check digits are the server's to know"
            await page.fill("[name=lei]", "529900T8BM49AURSDO55")
            await page.call("Page.reload")
            await page.until("document.documentElement.dataset.ready === 'yes'")
            kept = f"document.querySelector('{inner} [data-name=share]').value"
            assert await page.script(kept) == "100", "a reload keeps the whole tree"
            await page.click("#details [type=submit]")
            await page.until("document.querySelector('[data-module=watch]')")

        page = chromium.drive(tmp_path / "profile", ALICE, story)
        assert page.complaints == [each for each in page.complaints if "400" in each]
        (case,) = services.store.cases(account="0x" + ALICE.address.hex())
        told = services.identity.book.details(case, reader="mara", now=int(time.time()))
        document = as_document(told, services.countries)
        assert document["parent"] is None
        (first,) = document["owners"]
        assert (first["name"], first["region"]) == ("Straits Holdings", "UA-30")
        assert [each["name"] for each in first["owners"]] == ["Mei Tan"]


def test_a_passport_is_sent_looked_at_line_by_line_and_kept(tmp_path: Path) -> None:
    lines = with_digits("L898902C3", "740812", "351231", "ERIKSSON<<ANNA<MARIA")
    expired = with_digits("L898902C3", "740812", "120415", "ERIKSSON<<ANNA<MARIA")
    picture = tmp_path / "passport.jpg"
    picture.write_bytes(a_jpeg())
    script = tmp_path / "picture.svg"
    script.write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    with running(configured(tmp_path)) as (services, _):
        address = services.config.gate.public_url

        async def story(page: chromium.Chromium) -> None:
            await page.open(address)
            await page.ready()
            await page.click("#connect")
            await page.until("document.querySelector('[data-way=documents]')")
            await page.ready()
            await page.click("[data-way=documents]")
            await page.until("document.querySelector('[data-kind=person]')")
            await page.ready()
            await page.fill("[name=name]", "Anna Maria Eriksson")
            await page.choose("[name=country]", "SE")
            await page.click("#details [type=submit]")
            await page.until("document.querySelector('#documents')")
            await page.attach("[name=front]", script)
            await page.until("document.querySelector('.error')")
            await page.attach("[name=front]", picture)
            await page.until("document.querySelector('.drop-name').textContent.includes('arrived')")
            wrong = lines[1][:9] + ("0" if lines[1][9] != "0" else "1") + lines[1][10:]
            await page.choose("[name=mrz1]", lines[0])
            await page.choose("[name=mrz2]", wrong)
            await page.until("document.querySelector('[name=mrz2][aria-invalid=true]')")
            whole = lines[1][:43] + ("0" if lines[1][43] != "0" else "1")
            await page.choose("[name=mrz2]", whole)
            await page.until("document.querySelector('[name=mrz2][aria-invalid=true]')")
            first = "document.querySelector('[name=mrz1]').getAttribute('aria-invalid')"
            assert await page.script(first) is None, "the last digit says nothing of line 1"
            await page.choose("[name=mrz2]", expired[1])
            await page.until("document.querySelector('.error')?.textContent.includes('expired')")
            assert await page.script("document.querySelector('#mrz-right').hidden")
            await page.choose("[name=mrz2]", lines[1])
            await page.until("!document.querySelector('#mrz-right').hidden")
            # Left and come back to: what was sent is still there.
            await page.call("Page.reload")
            await page.ready()
            await page.until("document.querySelector('.drop-name')?.textContent.includes('here')")
            await page.choose("[name=mrz1]", lines[0])
            await page.choose("[name=mrz2]", lines[1])
            await page.click("#documents [type=submit]")
            await page.until("document.querySelector('[data-module=watch]')")

        chromium.drive(tmp_path / "profile", ALICE, story)
        (case,) = services.store.cases(account="0x" + ALICE.address.hex())
        assert case.state in ("submitted", "review")
        assert len(services.identity.documents(Account(ALICE.address))) == 1


def test_a_renter_sees_exports_and_deletes_what_is_kept(tmp_path: Path) -> None:
    with running(configured(tmp_path)) as (services, wallet):
        origin, address = services.config.gate.public_url, _refuse(services)
        told: dict[str, Any] = {}

        def presents(request: dict[str, Any]) -> dict[str, Any]:
            return answer_dc_request(request, wallet, origin=origin, now=int(time.time()))

        async def story(page: chromium.Chromium) -> None:
            page.presents = presents
            await _signed_in(page, address)
            await page.click("[data-way=credential]")
            await page.until("document.querySelector('[data-module=rent]')")
            await page.go(f"{origin}/account")
            await page.ready()
            await _grown_old(page, services)
            kept = str(tmp_path)
            await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=kept)
            signed = len(page.signed)
            await page.click("#export")
            copy = tmp_path / "my-data.json"
            for _ in range(100):
                if copy.exists():
                    break
                await asyncio.sleep(0.1)
            told["copy"] = copy.read_text()
            assert json.loads(told["copy"])["accounts"] == [Account(ALICE.address).key]
            assert len(page.signed) == signed + 1, "an old sign-in is renewed, not saved as a no"
            await page.script(f"window.walletAccount = '0x{MALLORY.address.hex()}'")
            page.signs_for(MALLORY)
            await page.click("#link-account")
            await page.until("document.querySelectorAll('#accounts li').length === 2")
            await page.ready()
            await page.click("#delete")
            await page.until("document.querySelector('#confirm-delete').open")
            named = await page.script("document.querySelector('#confirm-delete').innerText")
            assert "unreadable for good" in named, "what happens is said before it does"
            await page.click("#delete-no")
            assert await page.script("fetch('/v1/status').then(r => r.status)") == 200
            await page.click("#delete")
            await page.click("#delete-yes")
            await page.until("!document.querySelector('#erased').hidden")
            assert await page.script("fetch('/v1/status').then(r => r.status)") == 401

        chromium.drive(tmp_path / "profile", ALICE, story)
        assert "Lovelace" in told["copy"]
        (case,) = services.store.cases(account="0x" + ALICE.address.hex())
        assert services.identity.book.erased(case)
