// What is kept of the renter, and what they may do with it: wallets, keys, uses, export, deletion.
import { answer, api, day, say } from "./api.js";
import { notice, on, swap, tell } from "./page.js";
import { start as users } from "./users.js";
import { chainsOf, inPerson, signed, wallets } from "./wallet.js";

async function revoke(root, button) {
  await api("DELETE", `/v1/keys/${button.dataset.revoke}`);
  button.closest("li").remove();
  root.querySelector("#no-keys").hidden = root.querySelector("#keys li") !== null;
  tell(say("revoked"));
  root.querySelector("#h-keys").focus();
}

async function link(chains) {
  const [wallet] = wallets();
  if (!wallet) throw new Error(say("no_wallet"));
  const mine = document.body.dataset.account.split(":").at(-1);
  const proof = await signed(wallet, chains, (asked) => {
    if (asked.account.toLowerCase() === mine) throw new Error(say("link_same"));
    return api("POST", "/v1/accounts/challenge", asked);
  });
  await api("POST", "/v1/accounts", { message: proof.message, signature: proof.signature });
  await swap();
  tell(say("linked"));
}

// By script, so that a no is said on the page and not saved as the copy. Saved as it came: read and
// written anew, large numbers would be others.
async function keep(place, chains) {
  const copy = await inPerson(chains, async () => {
    const asked = fetch(place.pathname, { headers: { Accept: "application/json" } });
    const response = await asked.catch(() => null);
    return response?.ok ? response.blob() : answer(asked);
  });
  const file = document.createElement("a");
  file.href = URL.createObjectURL(copy);
  file.download = place.download;
  file.click();
  // Not at once: some browsers read it a moment later.
  setTimeout(() => URL.revokeObjectURL(file.href), 60_000);
}

async function erase(root, chains) {
  const told = await inPerson(chains, () => api("DELETE", "/v1/me"));
  sessionStorage.clear();
  // The session ends with it: what is said now stays on the screen until the person goes on.
  root.querySelectorAll("section, .actions, .state-line").forEach((part) => part.remove());
  root.querySelector("#erased").hidden = false;
  root.querySelector("#erased-text").textContent =
    told.restricted_until === null ? say("deleted") : say("held", { date: day(told.restricted_until) });
  root.querySelector("#erased").focus();
}

export function start(root) {
  const dialog = root.querySelector("#confirm-delete");
  const chains = chainsOf(root);
  for (const button of root.querySelectorAll("[data-revoke]")) on(button, "click", () => revoke(root, button));
  on(root.querySelector("#link-account"), "click", () => inPerson(chains, () => link(chains)));
  const copy = root.querySelector("#export");
  on(copy, "click", () => keep(copy, chains));
  on(root.querySelector("#delete"), "click", () => dialog.showModal());
  on(root.querySelector("#delete-no"), "click", () => dialog.close());
  on(root.querySelector("#delete-yes"), "click", async () => {
    dialog.close();
    await erase(root, chains);
  });
  on(root.querySelector("#sign-out"), "click", async () => {
    await api("DELETE", "/v1/session");
    sessionStorage.clear();
    location.assign("/");
  });
  return users(root, chains);
}
