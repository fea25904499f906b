// Keeps a half-filled form in this tab, so that a reload loses nothing. Gone when the tab is closed.

const read = (node) => Object.fromEntries(Array.from(node.querySelectorAll("[data-name]"), (f) => [f.dataset.name, f.value]));
const place = (form) => `kycgate:${document.body.dataset.account}:${form.closest("[data-kind]").dataset.kind}`;

function put(field, value) {
  if (!field) return;
  if (field.type === "checkbox") field.checked = true;
  else field.value = value;
  field.dispatchEvent?.(new Event("change"));
}

export function draft(form, parents, owners) {
  const kept = JSON.parse(sessionStorage.getItem(place(form)) ?? "null");
  if (kept) {
    for (const [name, value] of kept.fields) put(form.elements[name], value);
    for (const each of kept.parents) parents.add(each, { quiet: true });
    owners.restore(kept.owners);
  }
  const save = () => sessionStorage.setItem(place(form), JSON.stringify({
    fields: Array.from(new FormData(form)),
    parents: parents.entries().map(read),
    owners: owners.keep(),
  }));
  form.addEventListener("input", save);
  form.addEventListener("click", () => setTimeout(save));
}

draft.forget = (form) => sessionStorage.removeItem(place(form));
