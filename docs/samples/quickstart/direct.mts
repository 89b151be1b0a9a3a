const base = process.env.CONNECT_URL;
const headers = { Authorization: `Bearer ${process.env.CONNECT_KEY}`, "Content-Type": "application/json" };

const found = await fetch(`${base}/connections?q=plain+portal&limit=1`, { headers });
if (!found.ok) throw new Error(await found.text());
const [source] = ((await found.json()) as { data: { id: string; name: string }[] }).data;
if (!source) throw new Error("There is no such portal");

const made = await fetch(`${base}/patient-flows`, {
  method: "POST",
  headers,
  body: JSON.stringify({
    patient_id: "volunteer-1",
    connection_id: source.id, // the portal is known: no page of Connect is shown
    return_url: "http://127.0.0.1:3000/back",
  }),
});
if (!made.ok) throw new Error(await made.text());
const flow = (await made.json()) as { url: string };
console.log(flow.url);
