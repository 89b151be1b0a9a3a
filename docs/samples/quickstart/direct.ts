const base = process.env.CONNECT_URL;
const headers = { Authorization: `Bearer ${process.env.CONNECT_KEY}`, "Content-Type": "application/json" };

const found = await fetch(`${base}/connections?q=plain+portal&limit=1`, { headers });
const [source] = (await found.json()).data;
const made = await fetch(`${base}/patient-flows`, {
  method: "POST",
  headers,
  body: JSON.stringify({
    patient_id: "volunteer-1",
    connection_id: source.id, // the portal is known: no page of Connect is shown
    return_url: "https://app.example/back",
  }),
});
console.log((await made.json()).url);
