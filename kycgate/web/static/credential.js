// Asks a wallet for a credential: through the browser where it can, else by a link or a QR code.
import { api, knows, poll, say } from "./api.js";

const browserAsks = () => typeof window.DigitalCredential === "function" && Boolean(navigator.credentials?.get);

export const reason = (told) => (knows(`reason.${told.code}`) ? say(`reason.${told.code}`) : told.reason ?? "");

async function follow(id, { state, done }) {
  const told = await api("GET", `/v1/presentations/${id}`);
  if (told.state === "accepted") {
    state(say("credential_accepted"));
    await done();
    return true;
  }
  if (told.state === "refused") {
    state(say("credential_refused", { why: reason(told) }));
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
  // The wallet sends the person back to the browser that began: one on a phone begins on the phone.
  if (tools.phone) tools.root.querySelector(".on-phone").remove();
  else tools.root.querySelector(".to-phone").addEventListener("click", tools.toPhone);
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
