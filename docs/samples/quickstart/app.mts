// A whole app on Connect: a button, the page patients come back to, and the webhooks.
import { createServer, type IncomingMessage } from "node:http";
import { Webhook } from "standardwebhooks";

const { CONNECT_URL, CONNECT_KEY, WEBHOOK_SECRET = "", PORT } = process.env;
const appUrl = `http://127.0.0.1:${PORT}`;
const webhook = new Webhook(WEBHOOK_SECRET);

async function newFlow(): Promise<string> {
  const answer = await fetch(`${CONNECT_URL}/patient-flows`, {
    method: "POST",
    headers: { Authorization: `Bearer ${CONNECT_KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify({ patient_id: "volunteer-1", return_url: `${appUrl}/back`, return_button_label: "my app" }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const flow = (await answer.json()) as { url: string };
  return flow.url;
}

/** The event, where its signature is Connect's; the raw bytes are what is signed. */
async function verified(request: IncomingMessage) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    return webhook.verify(Buffer.concat(chunks), request.headers as Record<string, string>) as {
      type: string;
      patient_id?: string;
    };
  } catch {
    return null;
  }
}

createServer(async (request, response) => {
  if (request.method === "GET") {
    const back = request.url?.startsWith("/back?");
    response.setHeader("Content-Type", "text/html");
    response.end(back ? "<h1>Welcome back.</h1>" : "<form method=post><button>Connect your records</button></form>");
  } else if (request.url !== "/webhooks") {
    response.writeHead(303, { Location: await newFlow() }).end();
  } else {
    const event = await verified(request);
    if (event) console.log(event.type, event.patient_id);
    response.writeHead(event ? 204 : 401).end();
  }
}).listen(Number(PORT), "127.0.0.1", () => console.log(`Open ${appUrl}`));
