// Makes a key, puts it into the commands, and notices when the approval ends.
import { api } from "./api.js";
import { on } from "./page.js";
import { accountsHeard } from "./prove.js";
import { chainsOf, inPerson } from "./wallet.js";
import { start as watch } from "./watch.js";

function tabs(root) {
  const all = Array.from(root.querySelectorAll("[role=tab]"));
  function choose(tab) {
    for (const each of all) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
  }
  for (const [at, tab] of all.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[key];
      if (to === undefined) return;
      const next = all[(to + all.length) % all.length];
      choose(next);
      next.focus();
    });
  }
}

export function start(root) {
  tabs(root);
  const make = root.querySelector("#make-key");
  on(make, "click", async () => {
    const asked = { label: "cli", days: Number(make.dataset.days) };
    const key = await inPerson(chainsOf(root), () => api("POST", "/v1/keys", asked));
    for (const lines of root.querySelectorAll(".tabs code")) {
      lines.textContent = lines.textContent.replaceAll(make.dataset.place, key.secret);
    }
    root.querySelector("#key-made").classList.remove("gone");
    root.querySelector("#key-actions").classList.add("gone");
    root.querySelector("[role=tabpanel]:not([hidden]) pre").focus();
  });
  const [stopWatching, stopHearing] = [watch(root), accountsHeard()];
  return () => { stopWatching(); stopHearing(); };
}
