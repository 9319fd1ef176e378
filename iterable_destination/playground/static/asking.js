// Ask the server, and say in words what went wrong.

const STOPPED =
  "The playground does not respond. Has it been stopped? Start it again, and this page goes on.";

/** Show the server's HTML, in which every value is escaped, in an element. */
export function showHtml(element, html) {
  element.innerHTML = html;
}

/** Show what went wrong in an element. */
export function showMistake(element, error) {
  const shown = document.createElement("p");
  shown.className = "mistake";
  shown.textContent = error.message;
  element.replaceChildren(shown);
}

/** Say at the top of the page whether the server responds. */
export function tellWhetherItRuns(isRunning) {
  const notice = document.querySelector("#notice");
  notice.textContent = isRunning ? "" : STOPPED;
  notice.hidden = isRunning;
}

/** POST JSON and return the answer. The error of a failure has a message to show. */
export async function ask(path, asked, signal) {
  return request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(asked),
    signal,
  });
}

/** GET JSON and return it. */
export async function get(path) {
  return request(path, {});
}

async function request(path, options) {
  let response, text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch (error) {
    throw isOutdated(error) ? error : new Error(STOPPED);
  }
  const answer = read(text);
  if (!response.ok || answer === undefined) {
    throw new Error(answer?.error ?? `The playground responded with ${response.status}.`);
  }
  return answer;
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not an answer of the playground
  }
}

/** Return a function that asks with the newest values; answers to earlier ones are passed over. */
export function askNewest(path) {
  let running = new AbortController();
  return async (asked) => {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    const answer = await ask(path, asked, signal);
    signal.throwIfAborted();
    return answer;
  };
}

/** Whether an error is that a newer question was asked. */
export function isOutdated(error) {
  return error.name === "AbortError";
}
