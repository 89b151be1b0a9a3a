const headers = { Authorization: `Bearer ${process.env.CONNECT_KEY}` };

async function* changes(patientId, cursor = "") {
  for (let more = true; more; ) {
    const query = new URLSearchParams({ count: "100", changes: "true" });
    if (cursor) query.set("starting_after", cursor);
    const answer = await fetch(`${process.env.CONNECT_URL}/patients/${patientId}/records?${query}`, { headers });
    if (!answer.ok) throw new Error(await answer.text());
    const page = await answer.json();
    cursor = page.next_cursor ?? cursor;
    for (const item of page.data) yield { item, cursor };
    more = page.has_more;
  }
}

for await (const { item } of changes("volunteer-1")) {
  console.log(item.change, item.resource.resourceType, item.resource.id);
}
