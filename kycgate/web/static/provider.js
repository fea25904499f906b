// Sends a renter to a hosted provider and shows here how it goes.
import { api, poll, say } from "./api.js";

export async function open({ root, way, state, done, fill }) {
  state(say("provider_starting"), true);
  const begun = await api("POST", "/v1/verifications", { provider: way });
  fill("#t-provider");
  const go = root.querySelector(".go");
  go.href = new URL(begun.url, location.href).protocol === "https:" ? begun.url : "#";
  state("");
  go.addEventListener("click", () => state(say("provider_waiting"), true));
  return poll(async () => {
    const told = await api("GET", `/v1/verifications/${begun.id}`);
    if (told.state === "accepted") {
      state(say("provider_accepted"));
      await done();
      return true;
    }
    if (told.state === "refused") state(say("provider_refused"));
    if (told.state === "retry") state(say("provider_retry"));
    if (told.state === "checking") state(say("provider_checking"), true);
    return told.state === "refused";
  }, 3);
}
