// Takes over from a computer: shows what the code stands for, and claims it when the person agrees.
import { api, say } from "./api.js";
import { clear, complain } from "./fields.js";
import { notice, on, swap, tell } from "./page.js";

export function start(root) {
  const [form, compare] = [root.querySelector("#look"), root.querySelector("#compare")];
  let held = null;

  async function look(code) {
    try {
      const told = await api("POST", "/v1/handoffs/look", { code });
      held = { code, match: told.match };
      root.querySelector("#match").textContent = told.match;
      root.querySelector("#phone-account").textContent = told.account;
      root.querySelector("#phone-operator").textContent = told.operator;
      root.querySelector("#phone-marketplace").textContent = told.marketplace;
      form.hidden = true;
      compare.hidden = false;
      compare.focus();
    } catch (error) {
      if (error.status !== 401 && error.status !== 400) throw error;
      complain(form.elements.code, say("no_code"));
    }
  }

  on(form, "submit", async () => {
    clear(form);
    await look(form.elements.code.value.trim() || "-");
  });
  on(root.querySelector("#claim"), "click", async () => {
    await api("POST", "/v1/handoffs/claim", held);
    await swap({ moved: true });
  });
  on(root.querySelector("#other"), "click", () => {
    held = null;
    compare.hidden = true;
    notice(say("phone_other"));
    tell(say("phone_other"));
  });

  const code = location.hash.slice(1);
  if (code) {
    // Out of the address at once: it is kept in no history and shown over no shoulder.
    history.replaceState(null, "", location.pathname);
    form.elements.code.value = code.slice(0, 24);
    look(code.slice(0, 24)).catch((error) => notice(error.message));
  }
}
