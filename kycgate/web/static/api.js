// Asks this site's own JSON API, and says what came of it in the reader's language.

const words = JSON.parse(document.body.dataset.words);

export function say(key, values = {}) {
  return words[key].replace(/\{([a-z_]+)\}/g, (_, name) => String(values[name]));
}

export const knows = (key) => key in words;

// A no of the API. `field` names what to mend; `code` is stable.
export class Problem extends Error {
  constructor(told) {
    const why = words[`reason.${told.code}`] ?? [told.detail, told.remedy].filter(Boolean).join(" – ");
    super(told.status === 401 && told.code === "proof_missing" ? say("session_ended") : say("failed", { why }));
    this.why = why;
    this.status = told.status;
    this.code = told.code;
    this.field = told.field;
  }
}

export async function api(method, path, body) {
  const options = { method, credentials: "same-origin", headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  return answer(fetch(path, options));
}

export async function answer(asked) {
  let response;
  try {
    response = await asked;
  } catch {
    throw new Error(say("offline"));
  }
  if (response.status === 204) return null;
  const told = await response.json().catch(() => ({ status: response.status, detail: String(response.status) }));
  if (!response.ok) throw new Problem(told);
  return told;
}

// Runs `work` every few seconds, less often while nobody looks, until it returns true or is stopped.
export function poll(work, seconds = 2.5) {
  let stopped = false;
  let timer;
  async function turn() {
    if (stopped) return;
    try {
      if (await work()) return stop();
    } catch (error) {
      if (error.status === 401 || error.status === 403 || error.status === 404) return stop();
    }
    if (!stopped) timer = setTimeout(turn, (document.hidden ? 6 : 1) * seconds * 1000);
  }
  function wake() {
    if (document.hidden) return;
    clearTimeout(timer);
    turn();
  }
  function stop() {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", wake);
  }
  document.addEventListener("visibilitychange", wake);
  timer = setTimeout(turn, seconds * 1000);
  return stop;
}

export const day = (at) =>
  new Date(at * 1000).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });
