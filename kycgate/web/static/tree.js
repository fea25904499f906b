// Lists of like entries, one in another where need be: added, moved, removed by keyboard as by mouse.
// Each step is said aloud and the focus is never lost.
import { say } from "./api.js";
import { countries } from "./fields.js";
import { tell } from "./page.js";

export const inside = (node, name) => node.querySelector(`[data-name="${name}"]`);

// `place` is the list; `make` gives a new, empty entry; `label` names the sentence for its number.
export function tree(place, make, label) {
  const entries = () => Array.from(place?.children ?? []);

  function renumber() {
    entries().forEach((node, at) => {
      node.querySelector("legend").textContent = say(label, { number: at + 1 });
      node.querySelector(".up")?.toggleAttribute("hidden", at === 0);
      node.querySelector(".down")?.toggleAttribute("hidden", at === entries().length - 1);
    });
  }

  function move(node, how, button) {
    how();
    renumber();
    tell(say("moved", { number: entries().indexOf(node) + 1 }));
    (button.hidden ? node.querySelector("input") : button).focus();
  }

  function remove(node) {
    const next = node.nextElementSibling ?? node.previousElementSibling;
    node.remove();
    renumber();
    tell(say("removed"));
    (next?.querySelector("input") ?? place.parentElement.querySelector("button")).focus();
  }

  function add(values = {}, { quiet = false } = {}) {
    const node = make();
    countries(node);
    for (const [name, value] of Object.entries(values)) {
      const field = typeof value === "string" ? inside(node, name) : null;
      if (!field) continue;
      field.value = value;
      field.dispatchEvent(new Event("change"));
    }
    const [up, down] = [node.querySelector(".up"), node.querySelector(".down")];
    node.querySelector(".remove").addEventListener("click", () => remove(node));
    up?.addEventListener("click", () => move(node, () => node.previousElementSibling?.before(node), up));
    down?.addEventListener("click", () => move(node, () => node.nextElementSibling?.after(node), down));
    place.append(node);
    renumber();
    if (!quiet) {
      tell(say("parent_added", { number: entries().length }));
      node.querySelector("input").focus();
    }
    return node;
  }

  return { entries, add, clear: () => place?.replaceChildren() };
}
