"""Paths and methods: a request dressed up as one that anybody may make."""

from __future__ import annotations

from tests.attack.kit import DEPLOY, HARDWARE, LIST, Attack, Bytes
from tests.gateway.world import CAAS, HOST

# -- 1 paths: bob may read the catalogue, so he dresses the rest up as it --------------------------

_PATHS = {
    "dots": f"{HARDWARE}/../deployments",
    "dots at the end": f"{LIST}/..",
    "encoded dots": f"{CAAS}/%2e%2e/caas/deployments",
    "one dot encoded": f"{CAAS}/.%2e/caas/deployments",
    "dots twice encoded": f"{CAAS}/%252e%252e/caas/deployments",
    "dots before a parameter": f"{CAAS}/hardware/..;/deployments",
    "single dot": f"{CAAS}/./deployments",
    "double slash": f"{CAAS}//deployments",
    "double slash first": f"/{LIST}",
    "many slashes": f"///{LIST}",
    "encoded slash": f"{CAAS}/hardware%2f..%2fdeployments",
    "encoded slash, capitals": f"{CAAS}%2Fdeployments",
    "backslash": f"{CAAS}\\deployments",
    "encoded backslash": f"{CAAS}%5cdeployments",
    "semicolon": f"{LIST};x=/hardware",
    "semicolon first": f"/;{LIST}",
    "mixed case": LIST.replace("deployments", "Deployments"),
    "upper case": LIST.upper(),
    "encoded letter": f"{CAAS}/%64eployments",
    "encoded letter twice": f"{CAAS}/%2564eployments",
    "overlong dot": f"{CAAS}/%c0%ae%c0%ae/deployments",
    "overlong slash": f"{CAAS}%c0%afdeployments",
    "fullwidth": f"{CAAS}/%ef%bc%8e%ef%bc%8e/deployments",
    "nul": f"{LIST}%00/hardware",
    "raw nul": f"{LIST}\x00",
    "line feed": f"{HARDWARE}%0d%0aX-Evil:%20evil",
    "bad escape": f"{LIST}%zz",
    "half an escape": f"{LIST}%2",
    "iis escape": f"{CAAS}/%u0064eployments",
    "fragment": f"{HARDWARE}#{LIST}",
    "encoded fragment": f"{LIST}%23/hardware",
    "encoded question mark": f"{LIST}%3f/hardware",
    "question of a public path": f"{LIST}?x={HARDWARE}",
    "trailing slash": f"{LIST}/",
    "trailing dot": f"{LIST}.",
    "trailing space": f"{LIST}%20",
    "tab": f"{LIST}\t",
    "space in the target": f"{LIST} x",
    "high byte": f"{CAAS}/\xff/deployments",
    "absolute, own host": f"http://{HOST}{LIST}",
    "absolute, other host": f"http://other.example{HARDWARE}",
    "absolute, with a user": f"http://evil@{HOST}{LIST}",
    "absolute, other scheme": f"ftp://{HOST}{LIST}",
    "no slash": LIST[1:],
    "star": "*",
    "authority form": f"{HOST}:443",
    "very long": f"{HARDWARE}?{'a' * 70_000}",
}


def _path(target: str, who: str) -> Bytes:
    return lambda kit: kit.read(kit.key(who), target=target)


PATHS = [
    Attack("paths", f"{name}, {who}", _path(target, who), reaches=1)
    for name, target in _PATHS.items()
    for who in ("alice", "bob")
]
RENTING_PATHS = [
    Attack(
        "paths",
        f"renting by {name}",
        lambda kit, target=target: kit.raw("POST", target, kit.key("bob"), body=kit.body()),  # type: ignore[misc]
    )
    for name, target in {
        "dots": f"{HARDWARE}/../deploy",
        "encoded dots": f"{HARDWARE}/%2e%2e/deploy",
        "double slash": f"{CAAS}//deploy",
        "encoded slash": f"{CAAS}%2fdeploy",
        "encoded letter": f"{CAAS}/deplo%79",
        "semicolon": f"{DEPLOY};x",
        "case": f"{CAAS}/DEPLOY",
        "trailing slash": f"{DEPLOY}/",
        "absolute form": f"http://{HOST}{DEPLOY}",
        "fragment": f"{DEPLOY}#",
        "query": f"{DEPLOY}?",
    }.items()
]

# -- 2 methods -------------------------------------------------------------------------------------

METHODS = [
    *(
        Attack(
            "methods",
            f"{name}: {value} on a read",
            lambda kit, f=(name, value): kit.read(f, kit.key("bob")),  # type: ignore[misc]
        )
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
        for value in ("POST", "DELETE")
    ),
    *(
        Attack("methods", f"{name} to a rent",
               lambda kit, f=(name, DEPLOY): kit.read(f, kit.key("bob")), reaches=1)  # type: ignore[misc]
        for name in ("X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Original-Method")
    ),
    *(
        Attack("methods", f"{method} where POST rents",
               lambda kit, m=method: kit.raw(m, DEPLOY, kit.key("bob"), body=kit.body()))  # type: ignore[misc]
        for method in ("post", "Post", "PUT", "PATCH", "TRACE", "PROPFIND", "MKCOL", "QUERY", "GET")
    ),
    Attack("methods", "CONNECT", lambda kit: kit.raw("CONNECT", "10.0.0.1:22")),
    Attack("methods", "HEAD of a rent", lambda kit: kit.raw("HEAD", DEPLOY, kit.key("bob"))),
    Attack("methods", "OPTIONS of a rent", lambda kit: kit.raw("OPTIONS", DEPLOY, kit.key("bob"))),
    Attack("methods", "POST as a query parameter", lambda kit: kit.read(
        kit.key("bob"), target=f"{DEPLOY}?_method=POST")),
]  # fmt: skip
