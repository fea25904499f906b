// Finishes what a wallet or a provider sent the renter back for, then goes on to their own step: a step
// of this page's own carries the session, a foreign site's link does not.
import { api, say } from "./api.js";
import { reason } from "./credential.js";
import { notice } from "./page.js";

async function finish(brought) {
  const id = brought.get("presentation");
  const code = brought.get("response_code");
  if (!/^[0-9a-f]{32}$/.test(id ?? "")) return null;
  return code === null
    ? api("GET", `/v1/presentations/${id}`)
    : api("POST", `/v1/presentations/${id}/response`, { response_code: code });
}

export async function start() {
  const brought = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  try {
    const told = await finish(brought);
    if (told?.state === "refused") return notice(say("credential_refused", { why: reason(told) }));
    if (told?.state === "accepted" && (await api("GET", "/v1/session")).means === "hand-off") {
      await api("DELETE", "/v1/session");
      return notice(say("phone_done"));
    }
  } catch (error) {
    return notice(error.message);
  }
  return location.replace("/");
}
