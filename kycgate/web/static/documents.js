// Sends pictures of a document and the lines typed from it. Shows a slip while it can be mended.
import { answer, api, day, Problem, say } from "./api.js";
import { clear, complain } from "./fields.js";
import { on, tell } from "./page.js";

const MOST = 8 * 1024 * 1024;
const KINDS = ["image/jpeg", "image/png", "image/webp"];
// ICAO 9303: a passport has two lines of 44 characters; a card three of 30, or two of 36.
const SHAPES = { passport: [[44, 44]], identity_card: [[30, 30, 30], [36, 36]] };

export async function open({ root, state, done, fill }) {
  fill("#t-documents");
  const form = root.querySelector("#documents");
  const lines = [1, 2, 3].map((number) => form.elements[`mrz${number}`]);
  const sent = new Set();
  let checked = "";

  function shape() {
    const card = form.elements.type.value === "identity_card";
    lines[2].closest("label").hidden = !card;
    root.querySelector("[data-side=back]").hidden = !card;
  }

  function showSent(side, words) {
    sent.add(side);
    root.querySelector(`[data-side=${side}] .drop-name`).textContent = words;
  }

  async function send(input) {
    const [file] = input.files;
    if (!file) return;
    clear(form);
    if (!KINDS.includes(file.type)) return complain(input, say("documents_kind", { name: file.name }));
    if (file.size > MOST) {
      const size = (file.size / 1024 / 1024).toFixed(1);
      return complain(input, say("documents_size", { name: file.name, size, most: MOST / 1024 / 1024 }));
    }
    state(say("documents_sending"), true);
    try {
      await answer(fetch(`/v1/documents?side=${input.name}`, {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": file.type, Accept: "application/json" },
        body: file,
      }));
      showSent(input.name, say("documents_received", { name: file.name }));
      state("");
    } catch (error) {
      state("");
      complain(input, error.message);
    }
  }

  // The zone as typed, or null while a line is still too short to be looked at.
  function typed() {
    const given = lines.map((line) => line.value.trim().toUpperCase().replace(/\s/g, "<")).filter(Boolean);
    const fits = SHAPES[form.elements.type.value].some(
      (wanted) => wanted.length === given.length && wanted.every((length, at) => given[at].length === length));
    return fits ? given : null;
  }

  function lengths() {
    const [wanted] = SHAPES[form.elements.type.value];
    for (const [at, line] of lines.entries()) {
      const found = line.value.trim().length;
      if (wanted[at] !== undefined && found !== wanted[at]) {
        complain(line, say("mrz_length", { found, wanted: wanted[at] }), { focus: false });
      }
    }
    form.querySelector(".mrz [aria-invalid]")?.focus();
  }

  async function check() {
    const given = typed();
    if (given === null) return false;
    if (given.join() === checked) return true;
    clear(form);
    let told;
    try {
      told = await api("POST", "/v1/documents", { mrz: given });
    } catch (error) {
      if (!(error instanceof Problem) || !error.field?.startsWith("mrz")) throw error;
      const line = Number(error.field.match(/line(\d)/)?.[1] ?? 0);
      // The digit over the whole ends line 2, and covers nothing of a passport's line 1.
      const words = line || given.length === 2 ? "mrz_wrong" : "mrz_either";
      complain(lines[(line || 2) - 1], say(words), { focus: false });
      return false;
    }
    if (told.mrz.expired) {
      complain(lines[1], say("mrz_expired", { date: day(Date.parse(told.mrz.expires_on) / 1000) }), { focus: false });
      return false;
    }
    checked = given.join();
    root.querySelector("#mrz-right").hidden = false;
    tell(say("mrz_right"));
    return true;
  }

  for (const drop of root.querySelectorAll(".drop")) {
    const input = drop.querySelector("input");
    input.addEventListener("change", () => send(input));
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      input.files = event.dataTransfer.files;
      send(input);
    });
  }
  for (const line of lines) {
    line.addEventListener("input", () => { root.querySelector("#mrz-right").hidden = true; checked = ""; });
    line.addEventListener("change", () => check().catch((error) => complain(line, error.message, { focus: false })));
  }
  form.elements.type.addEventListener("change", shape);
  shape();

  on(form, "submit", async () => {
    clear(form);
    if (!sent.has("front")) return complain(form.elements.front, say("required"));
    if (typed() === null) return lengths();
    if (!(await check())) return form.querySelector("[aria-invalid]")?.focus();
    state(say("documents_sending"), true);
    try {
      await api("POST", "/v1/documents", { hand_in: true });
    } catch (error) {
      state("");
      throw error;
    }
    state(say("documents_sent"));
    await done();
  });

  // What was sent before the page was left counts still.
  const { documents } = await api("GET", "/v1/documents");
  for (const { side } of documents) {
    if (["front", "back"].includes(side)) showSent(side, say("documents_kept"));
  }
}
