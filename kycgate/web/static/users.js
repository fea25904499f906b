// Links a scheduler's user to the wallet: shows a code, and notices when the user has shown it.
import { api, poll, say } from "./api.js";
import { on, swap, tell } from "./page.js";
import { inPerson } from "./wallet.js";

async function end(root, button) {
  await api("DELETE", `/v1/users/${button.dataset.end}`);
  button.closest("li").remove();
  root.querySelector("#no-users").hidden = root.querySelector("#users li") !== null;
  root.querySelector("#user-linked").hidden = true;
  tell(say("user_ended"));
  root.querySelector("#h-users").focus();
}

// Where the operator's schedulers ask the gate; elsewhere the page has no such part.
export function start(root, chains) {
  const panel = root.querySelector("#user-code");
  if (!panel) return () => {};
  const [draw, withdraw] = [root.querySelector("#draw-code"), root.querySelector("#withdraw-code")];
  const line = root.querySelector("#user-state");
  let shown = panel.dataset.place;
  let stop = () => {};

  function fill(code) {
    for (const place of panel.querySelectorAll("code")) place.textContent = place.textContent.replaceAll(shown, code);
    shown = code;
  }

  function state(text, busy = false) {
    line.textContent = text;
    line.classList.toggle("busy", busy);
  }

  function close(text) {
    stop();
    const inside = panel.contains(document.activeElement) || document.activeElement === withdraw;
    panel.hidden = withdraw.hidden = true;
    draw.hidden = false;
    fill(panel.dataset.place);
    state(text);
    if (inside) draw.focus();
  }

  async function linked({ user, scheduler }) {
    const inside = panel.contains(document.activeElement) || document.activeElement === withdraw;
    await swap();
    const words = say("user_linked", { user, scheduler });
    const told = document.getElementById("user-linked");
    told.textContent = words;
    told.hidden = false;
    tell(words);
    if (inside) document.getElementById("h-users").focus();
  }

  function wait(id, ends) {
    return poll(async () => {
      const { users } = await api("GET", "/v1/users");
      const found = users.find((each) => each.id === id);
      // A question in front of the page is answered first.
      if (found && !document.querySelector("dialog[open]")) {
        await linked(found);
        return true;
      }
      if (found || Date.now() < ends) return false;
      close(say("handoff_expired"));
      return true;
    });
  }

  on(draw, "click", async () => {
    const drawn = await inPerson(chains, () => api("POST", "/v1/users", {}));
    // By this machine's own clock, which may differ from the gate's.
    const ends = Date.now() + Number(panel.dataset.life) * 1000;
    root.querySelector("#user-linked").hidden = true;
    fill(drawn.code);
    panel.hidden = withdraw.hidden = false;
    draw.hidden = true;
    withdraw.dataset.id = drawn.id;
    const time = new Date(ends).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" });
    state(say("user_waiting", { time }), true);
    panel.querySelector("pre").focus();
    stop = wait(drawn.id, ends);
  });
  on(withdraw, "click", async () => {
    await api("DELETE", `/v1/users/${withdraw.dataset.id}`);
    close(say("code_withdrawn"));
  });
  for (const button of root.querySelectorAll("[data-end]")) on(button, "click", () => end(root, button));
  return () => stop();
}
