// The forms for a person's and an organisation's details. Nothing leaves the page before it is handed in.
import { api, Problem, say } from "./api.js";
import { clear, complain, complete, countries, worded } from "./fields.js";
import { on, swap } from "./page.js";
import { draft } from "./draft.js";
import { register } from "./register.js";
import { inside, tree } from "./tree.js";

const LEVELS_MOST = 4;
const filled = (entries) => Object.fromEntries(entries.filter(([, value]) => value !== ""));
const number = (field) => Number(field.value.replace(",", "."));

// What an entry says of itself; a field that is not shown says nothing.
function own(node, names) {
  return filled(names.map((name) => {
    const field = inside(node, name);
    return [name, field && !field.closest("[hidden]") ? field.value.trim() : ""];
  }));
}

function above(nodes, topmost) {
  return nodes.reduceRight((higher, node) => {
    const company = own(node, ["name", "country", "region", "registration_number"]);
    return higher === undefined ? company : { ...company, parent: higher };
  }, topmost);
}

// Owners, and the owners of an owner that is an organisation.
function ownerTree(root, place, level = 1) {
  const below = new WeakMap();
  const made = tree(place, () => {
    const node = root.querySelector("#t-owner").content.firstElementChild.cloneNode(true);
    const owners = ownerTree(root, node.querySelector(".owners"), level + 1);
    const [kind, more] = [inside(node, "kind"), node.querySelector(".add-above")];
    below.set(node, owners);
    const shape = () => {
      const organisation = kind.value === "organisation" && level < LEVELS_MOST;
      more.hidden = !organisation;
      if (!organisation) owners.clear();
    };
    kind.addEventListener("change", shape);
    more.addEventListener("click", () => owners.add());
    shape();
    return node;
  }, "owner_number");

  function told(node) {
    const share = String(Math.round(number(inside(node, "share")) * 1e6) / 1e6);
    const said = { ...own(node, ["name", "kind", "country", "region"]), share };
    const owners = below.get(node).all();
    return owners.length ? { ...said, owners } : said;
  }

  function restore(values) {
    for (const each of values) {
      const node = made.add(each, { quiet: true });
      below.get(node).restore(each.owners ?? []);
    }
  }

  function at(path) {
    const node = made.entries()[Number(path[0]) - 1];
    return node && path[1] === "owners" ? below.get(node).at(path.slice(2)) ?? node : node;
  }

  function keep() {
    const read = (node) => Object.fromEntries(Array.from(
      node.querySelectorAll(":scope > fieldset > .grid [data-name]"), (f) => [f.dataset.name, f.value]));
    return made.entries().map((node) => ({ ...read(node), owners: below.get(node).keep() }));
  }

  return { ...made, all: () => made.entries().map(told), restore, at, keep };
}

export function start(root) {
  const form = root.querySelector("#details");
  const value = (name) => {
    const field = form.elements[name];
    return field?.closest?.("[hidden]") ? "" : (field?.value ?? "").trim();
  };
  const row = () => root.querySelector("#t-parent").content.firstElementChild.cloneNode(true);
  const parents = tree(root.querySelector("#parents"), row, "parent_above");
  const owners = ownerTree(root, root.querySelector("#owners"));
  countries(form);
  draft(form, parents, owners);
  register(form, parents);

  function person() {
    return filled(["name", "country", "region", "birth_date"].map((name) => [name, value(name)]));
  }

  function organisation() {
    const names = ["name", "registration_number", "country", "region", "headquarters_country", "headquarters_region"];
    const told = filled([...names.map((name) => [name, value(name)]), ["lei", value("lei").toUpperCase()]]);
    const chain = above(parents.entries(), value("top") === "none" ? null : undefined);
    if (chain !== undefined) told.parent = chain;
    told.representative = { name: value("representative.name") };
    if (root.querySelector("#owners")) told.owners = owners.all();
    return told;
  }

  // `parent.parent.country` is of the second company above, `owners.1.owners.2.share` says itself.
  function culprit(field) {
    const path = field.replace(/^details\./, "").split(".");
    const last = path.at(-1);
    const node = path[0] === "parent" ? parents.entries()[path.filter((word) => word === "parent").length - 1]
      : path[0] === "owners" ? owners.at(path.slice(1))
      : null;
    if (node) return inside(node, last) ?? node.querySelector("input");
    return path[0] === "owners" ? form.elements.no_owner : form.elements[path.join(".")];
  }

  function sharesRight() {
    const shares = Array.from(form.querySelectorAll('[data-name="share"]'));
    const wrong = shares.filter((field) => !(number(field) >= 25 && number(field) <= 100));
    for (const field of wrong) complain(field, say("wrong_share"), { focus: false });
    wrong[0]?.focus();
    const none = form.elements.no_owner;
    if (none && !none.checked && shares.length === 0) {
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
    await swap({ moved: true, url: root.dataset.next || "/" + document.body.dataset.query });
  });

  on(root.querySelector("#add-parent"), "click", () => parents.add());
  on(root.querySelector("#add-owner"), "click", () => {
    form.elements.no_owner.checked = false;
    owners.add();
  });
}
