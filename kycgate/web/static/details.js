// The forms for a person's and an organisation's details. Nothing leaves the page before it is handed in.
import { api, answer, Problem, say } from "./api.js";
import { clear, complain, complete, countries, worded } from "./fields.js";
import { on, swap, tell } from "./page.js";
import { draft } from "./draft.js";

const filled = (entries) => Object.fromEntries(entries.filter(([, value]) => value !== ""));
const inside = (node, name) => node.querySelector(`[data-name="${name}"]`);

// A list of like entries: added, moved, removed, each step said aloud, focus never lost.
function list(root, place, template, label) {
  const entries = () => Array.from(place?.children ?? []);
  function renumber() {
    entries().forEach((node, at) => {
      node.querySelector("legend").textContent = say(label, { number: at + 1 });
      node.querySelector(".up")?.toggleAttribute("hidden", at === 0);
      node.querySelector(".down")?.toggleAttribute("hidden", at === entries().length - 1);
    });
  }
  function moved(node, how, button) {
    how();
    renumber();
    tell(say("moved", { number: entries().indexOf(node) + 1 }));
    (button.hidden ? node.querySelector("input") : button).focus();
  }
  function add(values = {}, { quiet = false } = {}) {
    const node = root.querySelector(template).content.firstElementChild.cloneNode(true);
    countries(node);
    for (const [name, value] of Object.entries(values)) if (inside(node, name)) inside(node, name).value = value ?? "";
    node.querySelector(".remove").addEventListener("click", () => {
      const next = node.nextElementSibling ?? node.previousElementSibling;
      node.remove();
      renumber();
      tell(say("removed"));
      (next?.querySelector("input") ?? place.parentElement.querySelector(".actions button")).focus();
    });
    const [up, down] = [node.querySelector(".up"), node.querySelector(".down")];
    up?.addEventListener("click", () => moved(node, () => node.previousElementSibling?.before(node), up));
    down?.addEventListener("click", () => moved(node, () => node.nextElementSibling?.after(node), down));
    place.append(node);
    renumber();
    if (!quiet) {
      tell(say("parent_added", { number: entries().length }));
      node.querySelector("input").focus();
    }
  }
  return { entries, add, empty: () => place?.replaceChildren() };
}

function above(nodes, topmost) {
  return nodes.reduceRight((higher, node) => {
    const company = filled(["name", "country", "registration_number"].map((name) => [name, inside(node, name).value.trim()]));
    return higher === undefined ? company : { ...company, parent: higher };
  }, topmost);
}

export function start(root) {
  const form = root.querySelector("#details");
  const value = (name) => (form.elements[name]?.value ?? "").trim();
  const parents = list(root, root.querySelector("#parents"), "#t-parent", "parent_above");
  const owners = list(root, root.querySelector("#owners"), "#t-owner", "owner_number");
  countries(form);
  draft(form, parents, owners);

  function person() {
    return filled(["name", "country", "birth_date"].map((name) => [name, value(name)]));
  }

  function organisation() {
    const told = filled([
      ...["name", "registration_number", "country", "headquarters_country"].map((name) => [name, value(name)]),
      ["lei", value("lei").toUpperCase()],
    ]);
    const chain = above(parents.entries(), value("top") === "none" ? null : undefined);
    if (chain !== undefined) told.parent = chain;
    told.representative = { name: value("representative.name") };
    if (root.querySelector("#owners")) told.owners = owners.entries().map(owner);
    return told;
  }

  function owner(node) {
    const share = Math.round(Number(inside(node, "share").value.replace(",", ".")) * 100) / 100;
    return {
      name: inside(node, "name").value.trim(),
      kind: inside(node, "kind").value,
      country: inside(node, "country").value,
      share: String(share),
    };
  }

  // `parent.parent.country` is the country of the second company above; `owners[0].share` says itself.
  function culprit(field) {
    const path = field.replace(/^details\./, "").split(/[.[\]]+/).filter(Boolean);
    const last = path.at(-1);
    if (path[0] === "parent") {
      const height = path.filter((word) => word === "parent").length;
      const node = parents.entries()[height - 1];
      return node && (inside(node, last) ?? node.querySelector("input"));
    }
    if (path[0] === "owners") {
      const node = owners.entries()[Number(path[1])];
      return node && (inside(node, last) ?? node.querySelector("input"));
    }
    return form.elements[path.join(".")];
  }

  function sharesRight() {
    const wrong = owners.entries().map((node) => inside(node, "share"))
      .filter((field) => !(Number(field.value.replace(",", ".")) >= 25 && Number(field.value.replace(",", ".")) <= 100));
    for (const field of wrong) complain(field, say("wrong_share"), { focus: false });
    wrong[0]?.focus();
    const none = form.elements.no_owner;
    if (none && !none.checked && owners.entries().length === 0) {
      complain(none, say("choose_owner"));
      return false;
    }
    return wrong.length === 0;
  }

  on(form, "submit", async () => {
    clear(form);
    if (!complete(form) || !sharesRight()) return;
    const kind = root.dataset.kind;
    const body = { kind, details: kind === "person" ? person() : organisation() };
    const refusal = document.body.dataset.refusal;
    if (refusal && !root.dataset.case) body.refusal_id = refusal;
    try {
      if (root.dataset.case) await api("PUT", `/v1/cases/${root.dataset.case}`, body);
      else await api("POST", "/v1/cases", body);
    } catch (error) {
      const field = error instanceof Problem && error.field ? culprit(error.field) : null;
      if (!field) throw error;
      return complain(field, worded(error));
    }
    draft.forget(form);
    await swap({ moved: true, url: "/" + document.body.dataset.query });
  });

  on(root.querySelector("#add-parent"), "click", () => parents.add());
  on(root.querySelector("#add-owner"), "click", () => owners.add());
  void answer;
}
