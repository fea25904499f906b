// Starts what each part of a page needs, and puts a page's next state in its place.
import { say } from "./api.js";

const MODULES = {
  account: () => import("./account.js"),
  back: () => import("./back.js"),
  connect: () => import("./connect.js"),
  details: () => import("./details.js"),
  phone: () => import("./phone.js"),
  prove: () => import("./prove.js"),
  rent: () => import("./rent.js"),
  watch: () => import("./watch.js"),
};
let stops = [];

async function activate() {
  const found = Array.from(document.querySelectorAll("[data-module]"));
  const started = found.map(async (root) => (await MODULES[root.dataset.module]()).start(root));
  stops = (await Promise.all(started)).filter(Boolean);
  document.documentElement.dataset.ready = "yes";
}

// Says what went wrong where the page has a place for it; an empty text takes it back.
export function notice(text) {
  const place = document.querySelector("[data-notice]");
  if (!place) return;
  place.textContent = text;
  place.hidden = !text;
  if (text) place.scrollIntoView({ block: "nearest" });
}

// Says quietly, to those who listen rather than look.
export function tell(text) {
  document.getElementById("live").textContent = text;
}

// Runs a button's or form's work once at a time and says what went wrong in words.
export function on(element, event, work) {
  element?.addEventListener(event, async (happened) => {
    happened.preventDefault();
    const button = event === "submit" ? happened.submitter : happened.currentTarget;
    if (button?.getAttribute("aria-busy") === "true") return;
    button?.setAttribute("aria-busy", "true");
    notice("");
    try {
      await work(happened);
    } catch (error) {
      notice(error.message);
    } finally {
      button?.removeAttribute("aria-busy");
    }
  });
}

// Fetches the page as it is now. `moved`: the reader asked for the step, so attention goes there.
export async function swap({ moved = false, url = location.href } = {}) {
  const response = await fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" } });
  const next = new DOMParser().parseFromString(await response.text(), "text/html");
  const main = document.getElementById("main");
  const held = main.contains(document.activeElement) ? document.activeElement.id : null;
  for (const stop of stops) stop();
  document.documentElement.dataset.ready = "";
  document.title = next.title;
  for (const name of ["account", "query", "refusal"]) document.body.dataset[name] = next.body.dataset[name];
  for (const part of [".top", "footer"]) document.querySelector(part).replaceWith(next.querySelector(part));
  main.replaceChildren(...next.getElementById("main").childNodes);
  if (url !== location.href) history.replaceState(null, "", url);
  const heading = main.querySelector("h1");
  if (moved && heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  } else {
    if (held !== null) (document.getElementById(held) || main).focus({ preventScroll: true });
    if (heading) tell(say("state_changed", { state: heading.textContent }));
  }
  await activate();
}

async function copy(button) {
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  tell("");
  tell(say("copied"));
  const label = button.textContent;
  button.textContent = say("copied");
  setTimeout(() => { button.textContent = label; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button).catch(() => getSelection().selectAllChildren(document.getElementById(button.dataset.copy)));
});
activate();
