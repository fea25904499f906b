// Fills a form from the public register once its number is known. The person looks it over and may change it.
import { api, day, say } from "./api.js";
import { complain, settle } from "./fields.js";
import { tell } from "./page.js";

const FIELDS = ["name", "registration_number", "country", "headquarters_country"];

export function register(form, parents) {
  const line = form.querySelector("#register-line");
  if (!line) return;
  const lei = form.elements.lei;
  const hint = line.textContent;
  // What stands here by the register's word: another number replaces it, and nothing the person typed.
  const put = new Map();
  let above = "";

  const shown = () => parents.entries().map((node) =>
    Array.from(node.querySelectorAll("[data-name]"), (field) => field.value).join("\n")).join("\n\n");

  function fill(name, value = "") {
    const field = form.elements[name];
    if (field.value && field.value !== put.get(name)) return;
    field.value = value;
    put.set(name, value);
    if (value) settle(field);
    field.dispatchEvent(new Event("change"));
  }

  async function look() {
    settle(lei);
    line.textContent = hint;
    const asked = lei.value.trim().toUpperCase();
    if (!asked) return;
    if (!/^[A-Z0-9]{18}[0-9]{2}$/.test(asked)) return complain(lei, say("wrong_lei"), { focus: false });
    let told;
    try {
      told = await api("GET", `/v1/register/${asked}`);
      if (asked !== lei.value.trim().toUpperCase()) return; // another was asked for meanwhile
    } catch (error) {
      if (error.status === 404) return complain(lei, say("not_in_register"), { focus: false });
      throw error;
    }
    for (const name of FIELDS) fill(name, told[name]);
    if (shown() === above) {
      parents.clear();
      for (const each of told.parents ?? []) parents.add(each, { quiet: true });
      above = shown();
    }
    line.textContent = say("filled", { date: day(told.as_of) });
    tell(line.textContent);
  }

  lei.addEventListener("change", () => {
    look().catch((error) => complain(lei, error.message, { focus: false }));
  });
}
