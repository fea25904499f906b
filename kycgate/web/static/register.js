// Fills a form from the public register once its number is known. The person looks it over and may change it.
import { api, day, say } from "./api.js";
import { complain } from "./fields.js";
import { tell } from "./page.js";

const put = (field, value) => {
  if (!field || !value || field.value) return;
  field.value = value;
  field.dispatchEvent(new Event("change"));
};

async function fill(form, parents, line) {
  const lei = form.elements.lei.value.trim().toUpperCase();
  if (!/^[A-Z0-9]{18}[0-9]{2}$/.test(lei)) return;
  let told;
  try {
    told = await api("GET", `/v1/register/${lei}`);
  } catch (error) {
    if (error.status === 404) return complain(form.elements.lei, say("not_in_register"), { focus: false });
    throw error;
  }
  for (const name of ["name", "registration_number", "country", "headquarters_country"]) put(form.elements[name], told[name]);
  if (parents.entries().length === 0) for (const each of told.parents ?? []) parents.add(each, { quiet: true });
  line.textContent = say("filled", { date: day(told.as_of) });
  tell(line.textContent);
}

export function register(form, parents) {
  const line = form.querySelector("#register-line");
  if (!line) return;
  form.elements.lei.addEventListener("change", () => {
    fill(form, parents, line).catch((error) => complain(form.elements.lei, error.message, { focus: false }));
  });
}
