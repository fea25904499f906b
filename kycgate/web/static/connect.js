// Signs in: with a wallet of this browser, or with a signature made elsewhere.
import { api, say } from "./api.js";
import { notice, on, swap, tell } from "./page.js";
import { signIn, wallets } from "./wallet.js";
import { clear, complain } from "./fields.js";

export function start(root) {
  const chains = Array.from(root.querySelectorAll("[name=chain_id] option"), (o) => [Number(o.value), o.textContent]);
  const list = root.querySelector("#wallets");
  let pending = null;

  async function using(wallet) {
    tell(say("wallet_chosen"));
    await signIn(wallet, chains);
    await swap({ moved: true });
  }

  on(root.querySelector("#connect"), "click", async () => {
    const found = wallets();
    if (found.length === 0) {
      root.querySelector("#other").open = true;
      throw new Error(say("no_wallet"));
    }
    if (found.length === 1) return using(found[0]);
    list.querySelector("ul").replaceChildren(...found.map((wallet) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button quiet";
      button.textContent = wallet.name;
      on(button, "click", () => using(wallet));
      item.append(button);
      return item;
    }));
    list.hidden = false;
    list.querySelector("button").focus();
  });

  on(root.querySelector("#ask-message"), "submit", async ({ target }) => {
    const account = target.elements.account;
    clear(target);
    if (!/^0x[0-9a-fA-F]{40}$/.test(account.value.trim())) return complain(account, say("wrong_address"));
    const asked = { account: account.value.trim(), chain_id: Number(target.elements.chain_id.value) };
    pending = await api("POST", "/v1/challenge", asked);
    root.querySelector("#message").textContent = pending.message;
    root.querySelector("#paste").hidden = false;
    root.querySelector("#message").focus();
  });

  on(root.querySelector("#paste"), "submit", async ({ target }) => {
    const field = target.elements.signature;
    const signature = field.value.trim();
    clear(target);
    if (!/^0x(?:[0-9a-fA-F]{2})+$/.test(signature)) return complain(field, say("wrong_signature"));
    await api("POST", "/v1/session", { message: pending.message, signature });
    await swap({ moved: true });
  });

  notice("");
}
