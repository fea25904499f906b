// What is kept of the renter, and what they may do with it: wallets, keys, uses, export, deletion.
import { api, day, say } from "./api.js";
import { notice, on, tell } from "./page.js";
import { signed, wallets } from "./wallet.js";

function row(...parts) {
  const item = document.createElement("li");
  item.append(...parts);
  return item;
}

function text(tag, words) {
  const element = document.createElement(tag);
  element.textContent = words;
  return element;
}

async function revoke(root, button) {
  await api("DELETE", `/v1/keys/${button.dataset.revoke}`);
  button.closest("li").remove();
  root.querySelector("#no-keys").hidden = root.querySelector("#keys li") !== null;
  tell(say("revoked"));
  root.querySelector("#h-keys").focus();
}

async function showAccounts(root) {
  const { accounts } = await api("GET", "/v1/accounts");
  const mine = document.body.dataset.account;
  for (const each of accounts.map((found) => found.account ?? found).filter((found) => found !== mine)) {
    if (!root.querySelector(`[data-account="${CSS.escape(each)}"]`)) {
      const item = row(text("code", each));
      item.dataset.account = each;
      root.querySelector("#accounts").append(item);
    }
  }
}

async function showUses(root) {
  const { uses } = await api("GET", "/v1/me/uses");
  root.querySelector("#uses").replaceChildren(...uses.map((use) =>
    row(text("span", say("use", { marketplace: use.marketplace, count: use.count, date: day(use.last_at) })))));
  root.querySelector("#no-uses").hidden = uses.length > 0;
}

async function link(root) {
  const [wallet] = wallets();
  if (!wallet) throw new Error(say("no_wallet"));
  const chains = root.dataset.chains.split(" ").map((id) => [Number(id), id]);
  const mine = document.body.dataset.account.split(":").at(-1);
  const proof = await signed(wallet, chains, (asked) => {
    if (asked.account.toLowerCase() === mine) throw new Error(say("link_same"));
    return api("POST", "/v1/accounts/challenge", asked);
  });
  await api("POST", "/v1/accounts", { message: proof.message, signature: proof.signature });
  await showAccounts(root);
  tell(say("linked"));
}

async function erase() {
  const told = await api("DELETE", "/v1/me");
  if (told?.restricted_until) notice(say("held", { date: day(told.restricted_until) }));
  else {
    tell(say("deleted"));
    location.assign("/");
  }
}

export function start(root) {
  const linking = root.querySelector("#link-account");
  const dialog = root.querySelector("#confirm-delete");
  for (const button of root.querySelectorAll("[data-revoke]")) on(button, "click", () => revoke(root, button));
  on(linking, "click", () => link(root));
  on(root.querySelector("#delete"), "click", () => dialog.showModal());
  on(root.querySelector("#delete-no"), "click", () => dialog.close());
  on(root.querySelector("#delete-yes"), "click", async () => {
    dialog.close();
    await erase();
  });
  on(root.querySelector("#sign-out"), "click", async () => {
    await api("DELETE", "/v1/session");
    sessionStorage.clear();
    location.assign("/");
  });
  if (linking) {
    showAccounts(root).catch((error) => notice(error.message));
    showUses(root).catch((error) => notice(error.message));
  }
}
