// A part of the classic mapping, to show how an implementation begins, rule by rule: track, page and
// screen with their dates. Missing are identify, commerce, the checks, and nearly all notes.

const DEFAULTS = {
  mapAllPagesToSingleEventName: true,
  trackAllPages: false,
  trackCategorizedPages: true,
  trackNamedPages: true,
};

/** Returns what becomes of an event, as the output of a case says it. */
export function translate(event, settings = {}) {
  const messageId = event.messageId || null;
  const chosen = { ...DEFAULTS, ...settings };
  const isPage = event.type === "page" || event.type === "screen";
  if (!isPage && event.type !== "track") return { messageId, skipped: `no ${event.type} yet` };
  if (isPage && !isAskedFor(event, chosen)) return { messageId, skipped: "no setting asks for it" };

  const problems = [];
  const who = findIdentity(event);
  if (Object.keys(who).length === 0) {
    problems.push(problem("userId", "Must set either userId or email", "no-user"));
  }
  const createdAt = readTimestamp(event.timestamp, problems);
  const eventName = isPage ? namePage(event, chosen) : event.event;
  if (!eventName) problems.push(problem("event", "missing", "missing"));
  if (problems.length > 0) return { messageId, error: { problems } };

  const fields = { ...event.properties };
  if (isPage && event.category) fields.category = event.category;
  if (isPage && event.name) fields.name = event.name;
  const body = { ...who, eventName, ...createdAt, dataFields: convertDates(fields) };
  return { messageId, calls: [{ method: "POST", path: "/api/events/track", body }] };
}

const problem = (path, message, code) => ({ path, message, code });

/** The email, the userId, or both: rule 2. */
function findIdentity({ userId, properties, context }) {
  const likeAnEmail = /.+@.+\..+/.test(userId) && userId;
  const email = [context?.traits?.email, properties?.email, likeAnEmail].find(Boolean);
  return { ...(email && { email }), ...(userId && { userId: String(userId) }) };
}

function isAskedFor(page, settings) {
  if (settings.trackAllPages) return true;
  if (settings.trackCategorizedPages && page.category) return true;
  return Boolean(settings.trackNamedPages && page.name);
}

function namePage(page, settings) {
  const own = page.name || page.category;
  if (own && !settings.mapAllPagesToSingleEventName) return `${own} ${page.type}`;
  return page.type === "page" ? "Loaded a Page" : "Loaded a Screen";
}

/** Whole Unix seconds, of an ISO 8601 date or a number of seconds; nothing without one. */
function readTimestamp(timestamp, problems) {
  if (timestamp === undefined || timestamp === null) return {};
  const isNumber = typeof timestamp === "number";
  const milliseconds = isNumber ? timestamp * 1000 : Date.parse(timestamp);
  if (Number.isNaN(milliseconds)) problems.push(problem("timestamp", "not a date", "not-a-date"));
  return { createdAt: Math.floor(milliseconds / 1000) };
}

const DATE =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;

/** The same value, with each ISO 8601 date at any depth in Iterable's form: rule 3. */
function convertDates(value) {
  if (typeof value === "string") return toIterableDate(value) ?? value;
  if (Array.isArray(value)) return value.map(convertDates);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, convertDates(each)]));
}

/** `2023-02-05 20:42:10 +00:00`, or nothing for what is no date or an impossible one. */
function toIterableDate(text) {
  const found = DATE.exec(text);
  if (found === null) return undefined;
  const [year, month, day, hour = 0, minute = 0, second = 0] = found.slice(1, 7);
  const local = new Date(0);
  local.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (local.getUTCMonth() !== Number(month) - 1) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const [, sign, hours = 0, minutes = 0] = /([+-])(\d\d):?(\d\d)?/.exec(found[7]) ?? [];
  if (hours > 23 || minutes > 59) return undefined;
  const offset = (sign === "-" ? -1 : 1) * (60 * Number(hours) + Number(minutes));
  local.setUTCHours(Number(hour), Number(minute) - offset, Number(second));
  return `${local.toISOString().slice(0, 19).replace("T", " ")} +00:00`;
}
