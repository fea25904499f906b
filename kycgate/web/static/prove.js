// Offers the ways to prove who one is, and loads the script of a way only when it is taken.
import { api, poll, say } from "./api.js";
import { notice, on, swap } from "./page.js";
import { watchAccounts } from "./wallet.js";

const WAYS = {
  credential: () => import("./credential.js"),
  documents: () => import("./documents.js"),
  handoff: () => import("./handoff.js"),
};
const provider = () => import("./provider.js");

const home = () => "/" + document.body.dataset.query;

export function start(root) {
  const phone = Boolean(root.dataset.phone);
  const [ways, panel] = [root.querySelector("#ways"), root.querySelector("#way")];
  const [body, line] = [panel.querySelector("#way-body"), panel.querySelector("#way-state")];
  let leave = () => {};
  let taken = null;

  function state(text, busy = false) {
    line.textContent = text;
    line.classList.toggle("busy", busy);
  }

  function close() {
    leave();
    leave = () => {};
    body.replaceChildren();
    state("");
    panel.hidden = true;
    ways.hidden = false;
    taken?.focus();
  }

  // On the computer the page shows what comes next; the phone has done its part and lets go.
  async function done() {
    if (!phone) return swap({ moved: true, url: home() });
    leave();
    body.replaceChildren();
    state(say("phone_done"));
    panel.querySelector("#way-back").hidden = true;
    await api("DELETE", "/v1/session");
  }

  function toPhone() {
    close();
    root.querySelector("[data-way=handoff]").click();
  }

  const fill = (id) => body.replaceChildren(root.querySelector(id).content.cloneNode(true));

  for (const button of root.querySelectorAll("[data-way]")) {
    on(button, "click", async () => {
      taken = button;
      const way = button.dataset.way;
      // Pictures belong to a case, and a case begins with a name.
      if (way === "documents" && !phone && !root.dataset.case) return swap({ moved: true, url: "/person?for=documents" });
      const module = await (WAYS[way] ?? provider)();
      panel.querySelector("#h-way").textContent =
        way === "handoff" ? say("title_handoff") : button.querySelector(".way-title").textContent;
      ways.hidden = true;
      panel.hidden = false;
      panel.focus({ preventScroll: true });
      try {
        leave = (await module.open({ root: body, way, phone, state, done, fill, toPhone })) ?? (() => {});
      } catch (error) {
        close();
        notice(error.message);
      }
    });
  }
  on(panel.querySelector("#way-back"), "click", close);

  if (root.dataset.take) root.querySelector(`[data-way="${root.dataset.take}"]`)?.click();

  if (phone) return () => leave();
  // Whatever the phone, a provider or a reviewer does shows here by itself.
  // What this page was made of: a change between then and the first look counts too.
  const seen = { now: root.dataset.state, at: Number(root.dataset.at) };
  const stopWatching = poll(async () => {
    const { state: now, case: held } = await api("GET", "/v1/status");
    const at = held?.updated_at ?? 0;
    // While a way is open only an outcome interrupts it: each picture sent touches the case too.
    const changed = seen.now !== now || (panel.hidden && seen.at !== at);
    seen.at = at;
    if (changed) await swap({ url: home() });
    return changed;
  });
  const stopHearing = accountsHeard();
  return () => { leave(); stopWatching(); stopHearing(); };
}

export function accountsHeard() {
  const mine = document.body.dataset.account.split(":").at(-1);
  return watchAccounts((now) => {
    const other = now && now.toLowerCase() !== mine;
    notice(other ? say("wallet_changed", { wallet: short(now), account: short(mine) }) : "");
  });
}

const short = (account) => `${account.slice(0, 6)}…${account.slice(-4)}`;
