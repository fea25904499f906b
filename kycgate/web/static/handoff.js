// Hands the proof to a phone: a code for one use, and what the phone has made of it.
import { api, poll, say } from "./api.js";

const SHOWN = { waiting: true, opened: true, claimed: true, expired: false };

export function drawn(svg) {
  const code = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  code.setAttribute("role", "img");
  code.setAttribute("aria-hidden", "true"); // the link beside it says the same
  return document.importNode(code, true);
}

export async function open({ root, state, fill }) {
  const made = await api("POST", "/v1/handoffs", {});
  fill("#t-handoff");
  root.querySelector(".qr").replaceChildren(drawn(made.svg));
  root.querySelector(".match").textContent = made.match;
  root.querySelector("#handoff-link").textContent = made.url;
  let last = "";
  function show(now) {
    if (now === last) return;
    last = now;
    state(say(`handoff_${now}`), SHOWN[now]);
  }
  show(made.state);
  const stop = poll(async () => {
    const told = await api("GET", `/v1/handoffs/${made.id}`);
    show(told.state);
    return told.state === "expired";
  }, 1.5);
  return () => {
    stop();
    if (last !== "claimed") api("DELETE", `/v1/handoffs/${made.id}`).catch(() => {});
  };
}
