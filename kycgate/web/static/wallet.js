// Finds the wallets of this browser (EIP-6963, else EIP-1193) and has one sign in. Moves nothing.
import { api, Problem, say } from "./api.js";

const found = new Map();
addEventListener("eip6963:announceProvider", ({ detail }) => {
  const { info, provider } = detail ?? {};
  if (typeof info?.uuid !== "string" || typeof provider?.request !== "function") return;
  // A wallet's icon is an address of its choosing: the name, as text, is enough.
  found.set(info.uuid, { name: String(info.name).slice(0, 40), provider });
});

export function wallets() {
  dispatchEvent(new Event("eip6963:requestProvider"));
  if (found.size === 0 && typeof window.ethereum?.request === "function") {
    return [{ name: "", provider: window.ethereum }];
  }
  return Array.from(found.values());
}

const hex = (text) =>
  "0x" + Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function ask(provider, method, params) {
  try {
    return await provider.request(params === undefined ? { method } : { method, params });
  } catch (error) {
    throw error?.code === 4001 ? new Error(say("wallet_declined")) : new Error(say("failed", { why: error?.message ?? method }));
  }
}

// Has the wallet sign the text that `draw` gets for its account and chain.
export async function signed(wallet, chains, draw) {
  const [account] = await ask(wallet.provider, "eth_requestAccounts");
  const chain = Number(await ask(wallet.provider, "eth_chainId"));
  const known = chains.some(([id]) => id === chain);
  const drawn = await draw({ account, chain_id: known ? chain : chains[0][0] });
  const signature = await ask(wallet.provider, "personal_sign", [hex(drawn.message), account]);
  return { message: drawn.message, signature, known };
}

export async function signIn(wallet, chains) {
  const { message, signature, known } = await signed(wallet, chains, (asked) => api("POST", "/v1/challenge", asked));
  try {
    await api("POST", "/v1/session", { message, signature });
  } catch (error) {
    const unsure = error instanceof Problem && (error.status === 503 || error.code === "proof_invalid");
    if (unsure && !known) throw new Error(say("wallet_wrong_chain", { chains: chains.map(([, name]) => name).join(", ") }));
    throw error;
  }
}

// The chains a page names by number alone.
export const chainsOf = (root) => root.dataset.chains.split(" ").map((id) => [Number(id), id]);

// Does what wants the wallet itself. Where the sign-in is too old, the same wallet signs in anew.
export async function inPerson(chains, work) {
  const [wallet] = wallets();
  try {
    return await work();
  } catch (error) {
    if (error.code !== "missing:fresh_wallet_proof" || !wallet) throw error;
  }
  const mine = document.body.dataset.account.split(":").at(-1);
  const proof = await signed(wallet, chains, (asked) => {
    // Else the page would go on as somebody else.
    if (asked.account.toLowerCase() !== mine) throw new Error(say("wallet_other", { account: mine }));
    return api("POST", "/v1/challenge", asked);
  });
  await api("POST", "/v1/session", { message: proof.message, signature: proof.signature });
  return work();
}

// Tells when a wallet of this browser turns to another account. Returns what ends the watching.
export function watchAccounts(changed) {
  const heard = wallets().filter(({ provider }) => typeof provider.on === "function");
  const tell = (accounts) => changed(Array.isArray(accounts) ? String(accounts[0] ?? "") : "");
  for (const { provider } of heard) provider.on("accountsChanged", tell);
  return () => { for (const { provider } of heard) provider.removeListener?.("accountsChanged", tell); };
}
