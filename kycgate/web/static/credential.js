// Asks a wallet for a credential: through the browser where it can, else by a link or a QR code.
import { api, poll, say } from "./api.js";
import { drawn } from "./handoff.js";

const browserAsks = () => typeof window.DigitalCredential === "function" && Boolean(navigator.credentials?.get);

async function follow(id, { state, done }) {
  const told = await api("GET", `/v1/presentations/${id}`);
  if (told.state === "accepted") {
    state(say("credential_accepted"));
    await done();
    return true;
  }
  if (told.state === "refused") {
    state(say("credential_refused", { why: told.reason ?? "" }));
    return true;
  }
  if (told.state === "expired") {
    state(say("credential_expired"));
    return true;
  }
  if (told.state === "received") state(say("credential_received"), true);
  return false;
}

async function throughBrowser(tools) {
  const begun = await api("POST", "/v1/presentations", { mode: "dc" });
  tools.state(say("credential_asking"), true);
  let given;
  try {
    given = await navigator.credentials.get({ digital: begun.request, mediation: "required" });
  } catch {
    tools.state(say("credential_declined"));
    return false;
  }
  tools.state(say("credential_received"), true);
  await api("POST", `/v1/presentations/${begun.id}/response`, { protocol: given.protocol, data: given.data });
  if (!(await follow(begun.id, tools))) return poll(() => follow(begun.id, tools), 1);
  return () => {};
}

async function throughLink(tools) {
  const begun = await api("POST", "/v1/presentations", { mode: "redirect" });
  tools.fill("#t-redirect");
  tools.root.querySelector(".open-wallet").href = begun.deep_link;
  const other = tools.root.querySelector(".other-device");
  if (begun.svg && !tools.phone) other.querySelector(".qr").replaceChildren(drawn(begun.svg));
  else other.remove();
  tools.state(say("credential_waiting"), true);
  return poll(() => follow(begun.id, tools), 1.5);
}

export async function open(tools) {
  if (browserAsks()) {
    const stop = await throughBrowser(tools);
    if (stop) return stop;
  }
  return throughLink(tools);
}
