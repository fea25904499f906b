// Ties an error to the field it is about, for eyes and for screen readers alike.
import { knows, say } from "./api.js";

let number = 0;

export function clear(form) {
  for (const told of form.querySelectorAll(".error")) told.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) settle(field);
}

// Takes back what was said of one field.
export function settle(field) {
  document.getElementById(field.getAttribute("aria-describedby") ?? "")?.remove();
  field.removeAttribute("aria-invalid");
  field.removeAttribute("aria-describedby");
}

export function complain(field, text, { focus = true } = {}) {
  settle(field);
  const told = document.createElement("span");
  told.className = "error";
  told.id = `error-${++number}`;
  told.textContent = text;
  (field.closest(".field, fieldset, .check") ?? field.parentElement).append(told);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", told.id);
  if (focus) field.focus();
}

// What is left empty though it is needed. True when nothing is.
export function complete(form) {
  const radios = new Set();
  const empty = Array.from(form.querySelectorAll("[required]")).filter((field) => {
    if (field.closest("[hidden]")) return false;
    if (field.type === "radio") {
      const first = !radios.has(field.name);
      radios.add(field.name);
      return first && !form.querySelector(`[name="${field.name}"]:checked`);
    }
    return !field.value.trim();
  });
  for (const field of empty) complain(field, field.type === "radio" ? say("choose_top") : say("required"), { focus: false });
  empty[0]?.focus();
  return empty.length === 0;
}

// The API's own word on a field, in the reader's language where there is a sentence for it.
export function worded(problem) {
  const name = (problem.field ?? "").split(/[.[\]]+/).filter(Boolean).at(-1);
  const kind = { parent_name: "name", "representative.name": "name" }[name] ?? name;
  return knows(`wrong_${kind}`) ? say(`wrong_${kind}`) : say("wrong", { why: problem.why });
}

// Fills country lists in the reader's language, in its alphabetical order.
export function countries(root) {
  const lang = document.documentElement.lang;
  const names = new Intl.DisplayNames([lang], { type: "region" });
  const order = new Intl.Collator(lang);
  for (const list of root.querySelectorAll("select[data-countries]")) {
    const known = list.dataset.countries.split(" ").map((code) => [code, names.of(code)]);
    known.sort((a, b) => order.compare(a[1], b[1]));
    for (const [code, name] of known) list.append(new Option(name, code));
    list.removeAttribute("data-countries");
  }
  for (const label of root.querySelectorAll("[data-region-of]")) regions(root, label);
}

// Where only a part of a country is embargoed, which part matters: asked for then, and only then.
function regions(root, label) {
  const known = JSON.parse(label.dataset.regions);
  const [list, of] = [label.querySelector("select"), label.dataset.regionOf];
  const country = root.querySelector(`[name="${of}"], [data-name="${of}"]`);
  const first = list.options[0];
  country.addEventListener("change", () => {
    const found = known[country.value];
    label.hidden = !found;
    list.required = Boolean(found);
    list.replaceChildren(first, ...(found ?? []).map(([code, name]) => new Option(name, code)));
    list.value = "";
  });
}
