type Item = { source: string; change: "new" | "changed" | "gone"; resource: { resourceType: string; id: string } };
type Page = { data: Item[]; has_more: boolean; next_cursor: string | null };

const headers = { Authorization: `Bearer ${process.env.CONNECT_KEY}` };

/** What landed after `cursor`, oldest first, a page at a time, each with the cursor that comes after it. */
async function* pages(patientId: string, cursor = "") {
  for (let more = true; more; ) {
    const query = new URLSearchParams({ count: "100", changes: "true" });
    if (cursor) query.set("starting_after", cursor);
    const answer = await fetch(`${process.env.CONNECT_URL}/patients/${patientId}/records?${query}`, { headers });
    if (!answer.ok) throw new Error(await answer.text());
    const page = (await answer.json()) as Page;
    cursor = page.next_cursor ?? cursor;
    more = page.has_more;
    yield { items: page.data, cursor };
  }
}

let kept = "";
for await (const { items, cursor } of pages("volunteer-1", kept)) {
  for (const { change, resource } of items) console.log(change, resource.resourceType, resource.id);
  kept = cursor; // in your database, in the transaction that stores the page
}
