// TrialFinder in Express: patients connect their records, webhooks say when there are new ones, the app reads those.
// What it knows is kept in memory, where an app of yours has its database.

import cookieSession from "cookie-session";
import express, { type NextFunction, type Request, type Response } from "express";
import { randomUUID } from "node:crypto";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { call, required, type Flow, type RecordPage } from "./connect.js";

interface Event {
  id: string;
  type: string;
  patient_id: string | null;
}

const webhook = new Webhook(required("CONNECT_WEBHOOK_SECRET"));
const events = new Map<string, Event>();
const records = new Map<string, Map<string, string>>(); // patient → "source/type/id" → type
const cursors = new Map<string, string>();

const app = express();

// The signature is over the very bytes: this route comes before anything that parses bodies.
app.post("/webhooks", express.raw({ type: "application/json" }), async (request, response) => {
  let event: Event;
  try {
    event = webhook.verify(request.body, request.headers as Record<string, string>) as Event;
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    return void response.sendStatus(401);
  }
  response.sendStatus(204); // at once: Connect waits five seconds
  if (events.has(event.id)) return; // an event may come twice
  events.set(event.id, event);
  if (event.type === "records.sync.completed" && event.patient_id) {
    readNewRecords(event.patient_id).catch((error) => console.error(String(error)));
  }
});

app.use(cookieSession({ name: "session", secret: required("SECRET_KEY"), sameSite: "lax", httpOnly: true }));

app.get("/", (request, response) => {
  const patientId = (request.session!.patientId ??= `visitor-${randomUUID()}`) as string;
  const counts = new Map<string, number>();
  for (const type of records.get(patientId)?.values() ?? []) counts.set(type, (counts.get(type) ?? 0) + 1);
  const told = [...events.values()].filter((event) => event.patient_id === patientId);
  response.send(
    page(`
      <form method="post" action="/connect"><button>Connect your records</button></form>
      <h2>Your records</h2>${list([...counts].map(([type, count]) => `${count} ${type}`))}
      <h2>Events</h2>${list(told.map((event) => event.type))}`),
  );
});

app.post("/connect", async (request, response) => {
  const flow = await call<Flow>("POST", "/patient-flows", {
    patient_id: request.session!.patientId,
    return_url: `${request.protocol}://${request.host}/back`,
    return_button_label: "TrialFinder",
  });
  response.redirect(303, flow.url!);
});

// The URL is only a hint: whose flow it is and what came of it, the API says.
app.get("/back", async (request, response) => {
  const flow = await call<Flow>("GET", `/patient-flows/${encodeURIComponent(String(request.query.patient_flow_id))}`);
  if (flow.patient_id !== request.session!.patientId) return void response.sendStatus(403);
  const outcomes = flow.connections.map((connection) => `${connection.connection_id}: ${connection.status}`);
  response.send(page(`<h2>Welcome back</h2>${list(outcomes)}<p><a href="/">Your records</a></p>`));
});

app.use((error: Error, _request: Request, response: Response, _next: NextFunction) => {
  console.error(error.message);
  response.status(502).send(page("<p>That did not work. Please try again.</p>"));
});

// Reads on from where we stopped last time: every change comes once.
async function readNewRecords(patientId: string): Promise<void> {
  const known = records.get(patientId) ?? new Map<string, string>();
  records.set(patientId, known);
  for (let hasMore = true; hasMore; ) {
    const cursor = cursors.get(patientId);
    const query = cursor ? `?starting_after=${encodeURIComponent(cursor)}` : "";
    const found = await call<RecordPage>("GET", `/patients/${encodeURIComponent(patientId)}/records${query}`);
    for (const { source, resource } of found.data) {
      known.set(`${source}/${resource.resourceType}/${resource.id}`, resource.resourceType);
    }
    if (found.next_cursor) cursors.set(patientId, found.next_cursor);
    hasMore = found.has_more;
  }
}

function page(content: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>TrialFinder</title><h1>TrialFinder</h1>${content}`;
}

function list(lines: string[]): string {
  const escaped = lines.map((line) => line.replace(/&/g, "&amp;").replace(/</g, "&lt;"));
  return `<ul>${(escaped.length ? escaped : ["None yet"]).map((line) => `<li>${line}</li>`).join("")}</ul>`;
}

const port = Number(process.env.PORT ?? 3000);
app.listen(port, "127.0.0.1", () => console.log(`TrialFinder on http://localhost:${port}`));
