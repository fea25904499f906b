// Sends a renter to a hosted provider and shows here how it goes.
import { api, poll, say } from "./api.js";

const SAID = {
  checking: "provider_checking",
  needs: "provider_retry",
  refused: "provider_refused",
  expired: "provider_ended",
  failed: "provider_ended",
};
const ENDED = ["refused", "expired", "failed"];

export async function open({ root, way, state, done, fill }) {
  state(say("provider_starting"), true);
  let begun;
  try {
    begun = await api("POST", "/v1/verifications", { provider: way });
  } catch (error) {
    // It said no before, and is not asked again: the code's own sentence speaks of rentals.
    if (error.code !== "declined") throw error;
    return state(say("provider_refused"));
  }
  fill("#t-provider");
  const go = root.querySelector(".go");
  go.href = new URL(begun.url, location.href).protocol === "https:" ? begun.url : "#";
  state("");
  go.addEventListener("click", () => state(say("provider_waiting"), true));
  return poll(async () => {
    const told = await api("GET", `/v1/verifications/${begun.id}`);
    if (told.state === "approved") {
      state(say("provider_accepted"));
      await done();
      return true;
    }
    // Where nothing is to be done there, the way there is not offered either.
    for (const part of root.children) part.hidden = told.state === "checking" || ENDED.includes(told.state);
    if (SAID[told.state]) state(say(SAID[told.state], { note: told.note ?? "" }), told.state === "checking");
    return ENDED.includes(told.state);
  }, 3);
}
