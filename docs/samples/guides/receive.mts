import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const secret = process.env.WEBHOOK_SECRET ?? "";

// Medblocks-Signature: t=<unix seconds>,v1=<hex>; during a change of secrets there is a second v1.
function isSigned(header: string, body: Buffer): boolean {
  const parts = header.split(",").map((part) => part.split("="));
  const at = parts.find(([name]) => name === "t")?.[1] ?? "0";
  if (Math.abs(Date.now() / 1000 - Number(at)) > 300) return false;
  const expected = createHmac("sha256", secret).update(`${at}.`).update(body).digest();
  const given = parts.filter(([name]) => name === "v1").map(([, value]) => Buffer.from(value ?? "", "hex"));
  return given.some((one) => one.length === expected.length && timingSafeEqual(one, expected));
}

createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks); // the raw bytes: they are what is signed
  if (!isSigned(String(request.headers["medblocks-signature"] ?? ""), body)) {
    response.writeHead(401).end();
    return;
  }
  const event = JSON.parse(body.toString());
  console.log(event.type, event.data.object.patient_id);
  response.writeHead(204).end();
}).listen(Number(process.env.PORT), "127.0.0.1");
