const answer = await fetch(`${process.env.CONNECT_URL}/patient-flows`, {
  method: "POST",
  headers: { Authorization: `Bearer ${process.env.CONNECT_KEY}`, "Content-Type": "application/json" },
  body: JSON.stringify({
    patient_id: "volunteer-1",
    return_url: "http://127.0.0.1:3000/back",
    return_button_label: "Trials",
  }),
});
if (!answer.ok) throw new Error(await answer.text());
const flow = (await answer.json()) as { url: string };
console.log(flow.url);
