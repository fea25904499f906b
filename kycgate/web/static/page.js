// Signs in, opens a case, shows where it stands and makes a key: only talks to this site's own API.
"use strict";

const $ = (id) => document.getElementById(id);
const show = (id, yes) => { $(id).hidden = !yes; };
const refusalId = new URLSearchParams(location.search).get("refusal");

function say(text) {
  $("notice").textContent = text;
  show("notice", Boolean(text));
  if (text) $("notice").scrollIntoView({ block: "nearest" });
}

class Refusal extends Error {
  constructor(problem) {
    const parts = [problem.field ? `${problem.field}: ${problem.detail}` : problem.detail, problem.remedy];
    super(parts.filter(Boolean).join(" – "));
    this.status = problem.status;
  }
}

async function api(method, path, body) {
  const options = { method, credentials: "same-origin", headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  if (response.status === 204) return null;
  const document = await response.json();
  if (!response.ok) throw new Refusal(document);
  return document;
}

// Runs a form's or button's work once at a time and says what went wrong in words.
function on(id, event, work) {
  $(id).addEventListener(event, async (happened) => {
    happened.preventDefault();
    const button = event === "submit" ? happened.submitter : happened.currentTarget;
    if (button) button.disabled = true;
    say("");
    try {
      await work(happened);
    } catch (error) {
      say(error.message || "The wallet did not answer.");
    } finally {
      if (button) button.disabled = false;
    }
  });
}

const hex = (text) =>
  "0x" + Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function connect() {
  const wallet = window.ethereum;
  if (!wallet) throw new Error("No browser wallet found. Open “Paste a signature” below, or use the terminal.");
  const [account] = await wallet.request({ method: "eth_requestAccounts" });
  const chain = Number(await wallet.request({ method: "eth_chainId" }));
  const known = Array.from(document.querySelectorAll("[name=chain_id] option"), (o) => Number(o.textContent));
  const drawn = await api("POST", "/v1/challenge", { account, chain_id: known.includes(chain) ? chain : known[0] });
  const signature = await wallet.request({ method: "personal_sign", params: [hex(drawn.message), account] });
  await signIn(drawn.message, signature);
}

let pending = null;

async function askMessage(event) {
  const form = new FormData(event.target);
  pending = await api("POST", "/v1/challenge", { account: form.get("account").trim(), chain_id: Number(form.get("chain_id")) });
  $("message").textContent = pending.message;
  show("paste", true);
}

async function signIn(message, signature) {
  await api("POST", "/v1/session", { message, signature });
  await refresh();
  $("h-identity").scrollIntoView({ block: "start" });
}

async function signOut() {
  await api("DELETE", "/v1/session");
  location.reload();
}

function reasons(list, found) {
  list.replaceChildren(...found.map(({ text }) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  list.hidden = found.length === 0;
}

async function refresh() {
  const status = await api("GET", "/v1/status");
  show("sign-in", false);
  show("signed", true);
  $("account").textContent = status.account;
  let text = status.state_text;
  if (status.attestation) {
    text += ` Valid until ${new Date(status.attestation.expires_at * 1000).toLocaleString()}; renewed by itself.`;
  }
  $("state").textContent = text;
  reasons($("case-reasons"), status.case ? status.case.reasons : []);
  show("open-case", ["not_started", "refused"].includes(status.state));
  show("make-key", true);
  await showKeys();
  if (status.state === "checking") setTimeout(() => refresh().catch(() => {}), 5000);
}

async function showKeys() {
  const { keys } = await api("GET", "/v1/keys");
  const live = keys.filter((key) => key.live);
  $("keys").replaceChildren(...live.map((key) => {
    const item = document.createElement("li");
    const name = document.createElement("code");
    name.textContent = `${key.prefix}…`;
    const until = document.createElement("span");
    until.textContent = `${key.label}, until ${new Date(key.expires_at * 1000).toLocaleDateString()}`;
    const revoke = document.createElement("button");
    revoke.type = "button";
    revoke.className = "link";
    revoke.textContent = "Revoke";
    revoke.addEventListener("click", async () => {
      try {
        await api("DELETE", `/v1/keys/${key.id}`);
        await showKeys();
      } catch (error) { say(error.message); }
    });
    item.append(name, until, revoke);
    return item;
  }));
  show("keys", live.length > 0);
}

const filled = (entries) => Object.fromEntries(entries.filter(([, value]) => value !== ""));

// Parents are given from the organisation upwards; the topmost says null, or nothing when unknown.
function chain(rows, topmost) {
  return rows.reduceRight((above, row) => {
    const value = (name) => row.querySelector(`[name=${name}]`).value.trim();
    const company = filled([
      ["name", value("parent_name")],
      ["country", value("parent_country").toUpperCase()],
      ["registration_number", value("parent_number")],
    ]);
    return above === undefined ? company : { ...company, parent: above };
  }, topmost ? null : undefined);
}

function details(form) {
  const value = (name) => (form.get(name) || "").trim();
  if (form.get("kind") === "person") {
    return filled([["name", value("person_name")], ["country", value("person_country").toUpperCase()], ["birth_date", value("birth_date")]]);
  }
  const company = filled([
    ["name", value("name")], ["registration_number", value("registration_number")], ["lei", value("lei").toUpperCase()],
    ["country", value("country").toUpperCase()], ["headquarters_country", value("headquarters_country").toUpperCase()],
  ]);
  const above = chain(Array.from($("parents").children), form.get("topmost") !== null);
  if (above !== undefined) company.parent = above;
  company.representative = { name: value("representative") };
  return company;
}

async function openCase(event) {
  const form = new FormData(event.target);
  const body = { kind: form.get("kind"), details: details(form) };
  if (refusalId) body.refusal_id = refusalId;
  await api("POST", "/v1/cases", body);
  await refresh();
}

async function makeKey(event) {
  const form = new FormData(event.target);
  const key = await api("POST", "/v1/keys", { label: form.get("label"), days: Number(form.get("days")) });
  const lines = $("commands").dataset.lines;
  $("commands").textContent = lines.includes("kg_…") ? lines.replaceAll("kg_…", key.secret) : key.secret;
  show("new-key", true);
  await showKeys();
}

function switchKind() {
  const person = document.querySelector("[name=kind]:checked").value === "person";
  show("person", person);
  show("organisation", !person);
  for (const input of $("person").querySelectorAll("input")) input.required = person && input.name !== "birth_date";
  for (const name of ["name", "registration_number", "country", "headquarters_country", "representative"]) {
    document.querySelector(`#organisation [name=${name}]`).required = !person;
  }
}

function addParent() {
  const row = $("parent-row").content.firstElementChild.cloneNode(true);
  row.querySelector(".remove").addEventListener("click", () => row.remove());
  for (const name of ["parent_name", "parent_country"]) row.querySelector(`[name=${name}]`).required = true;
  $("parents").append(row);
  row.querySelector("input").focus();
}

on("connect", "click", connect);
on("ask-message", "submit", askMessage);
on("paste", "submit", async (event) => {
  await signIn(pending.message, new FormData(event.target).get("signature").trim());
});
on("sign-out", "click", signOut);
on("open-case", "submit", openCase);
on("make-key", "submit", makeKey);
on("add-parent", "click", addParent);
on("copy", "click", () => navigator.clipboard.writeText($("commands").textContent));
for (const radio of document.querySelectorAll("[name=kind]")) radio.addEventListener("change", switchKind);
switchKind();
refresh().catch((error) => { if (error.status !== 401) say(error.message); });
