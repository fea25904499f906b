// Shows the outcome when there is one, without taking the reader's place away.
import { api, poll } from "./api.js";
import { swap } from "./page.js";

export function start(root) {
  return poll(async () => {
    const told = await api("GET", "/v1/status");
    const changed = told.state !== root.dataset.state;
    if (changed) await swap();
    return changed;
  });
}
