// Keeps a half-filled form in this tab, so that a reload loses nothing. Gone when the tab is closed.

const read = (node) => Object.fromEntries(Array.from(node.querySelectorAll("[data-name]"), (f) => [f.dataset.name, f.value]));
const place = (form) => `kycgate:${document.body.dataset.account}:${form.closest("[data-kind]").dataset.kind}`;

export function draft(form, parents, owners) {
  const kept = JSON.parse(sessionStorage.getItem(place(form)) ?? "null");
  if (kept) {
    for (const [name, value] of kept.fields) {
      const field = form.elements[name];
      if (field instanceof RadioNodeList || field?.type !== "checkbox") { if (field) field.value = value; }
      else field.checked = true;
    }
    for (const each of kept.parents) parents.add(each, { quiet: true });
    for (const each of kept.owners) owners.add(each, { quiet: true });
  }
  const save = () => sessionStorage.setItem(place(form), JSON.stringify({
    fields: Array.from(new FormData(form)),
    parents: parents.entries().map(read),
    owners: owners.entries().map(read),
  }));
  form.addEventListener("input", save);
  form.addEventListener("click", () => setTimeout(save));
}

draft.forget = (form) => sessionStorage.removeItem(place(form));
