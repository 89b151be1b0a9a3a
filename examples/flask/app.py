"""TrialFinder in Flask: patients connect their records, webhooks say when there are new ones, the app reads those.

pip install flask connect-health
export CONNECT_KEY=mb_sk_sbx_… CONNECT_URL=http://127.0.0.1:8000 SECRET_KEY=$(openssl rand -hex 32)
connect listen --forward-to localhost:5000/webhooks          # prints the webhook secret
CONNECT_WEBHOOK_SECRET=whsec_… flask --app app run
"""

import os
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor

from flask import Flask, abort, redirect, render_template, request, session, url_for

from connect_health import Connect, SignatureInvalid, parse_return_url, webhooks

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, type TEXT, patient_id TEXT);
CREATE TABLE IF NOT EXISTS cursors (patient_id TEXT PRIMARY KEY, cursor TEXT);
CREATE TABLE IF NOT EXISTS records (
    patient_id TEXT, source TEXT, type TEXT, id TEXT, PRIMARY KEY (patient_id, source, type, id)
);
"""

app = Flask(__name__)
app.config.update(SECRET_KEY=os.environ["SECRET_KEY"], SESSION_COOKIE_SAMESITE="Lax")
connect = Connect()  # CONNECT_KEY, CONNECT_URL
webhook_secret = os.environ["CONNECT_WEBHOOK_SECRET"]
later = ThreadPoolExecutor(max_workers=1)  # one at a time: two readers of one cursor would do the same work


def database() -> sqlite3.Connection:
    """The app's own database; autocommit, so that each statement stands by itself."""
    opened = sqlite3.connect(os.environ.get("DATABASE", "trialfinder.sqlite3"), isolation_level=None)
    opened.executescript(SCHEMA)
    return opened


@app.get("/")
def home():
    patient_id = session.setdefault("patient_id", f"visitor-{uuid.uuid4()}")
    with database() as db:
        counts = db.execute(
            "SELECT type, count(*) FROM records WHERE patient_id = ? GROUP BY type ORDER BY type", [patient_id]
        ).fetchall()
        events = db.execute("SELECT type FROM events WHERE patient_id = ? ORDER BY id", [patient_id]).fetchall()
    return render_template("home.html", counts=counts, events=events, outcome=None)


@app.post("/connect")
def connect_records():
    """Make a link for this visitor and send them there."""
    flow = connect.patient_flows.create(
        patient_id=session["patient_id"],
        return_url=url_for("back", _external=True),
        return_button_label="TrialFinder",
        connection_id=request.form.get("portal") or None,
    )
    return redirect(flow.url, 303)


@app.get("/back")
def back():
    """The visitor is back. The URL is only a hint: whose flow it is and what came of it, the API says."""
    try:
        told = parse_return_url(request.url)
    except ValueError:
        abort(400)
    if told.patient_id != session.get("patient_id"):
        abort(403)
    flow = connect.patient_flows.retrieve(told.patient_flow_id)
    if flow.patient_id != session["patient_id"]:
        abort(403)
    return render_template("home.html", counts=[], events=[], outcome=flow)


@app.post("/webhooks")
def receive():
    """Believe the signature, note the event once, answer at once, and do the work afterwards."""
    try:
        event = webhooks.construct_event(request.get_data(), request.headers, webhook_secret)
    except SignatureInvalid:
        abort(401)
    with database() as db:
        noted = db.execute(
            "INSERT OR IGNORE INTO events VALUES (?, ?, ?)", [event.id, event.type, event.patient_id]
        ).rowcount  # an event may come twice
    if noted and event.type == "records.sync.completed" and event.patient_id:
        later.submit(read_new_records, event.patient_id)
    return "", 204


def read_new_records(patient_id: str) -> None:
    """Read on from where we stopped last time: every change comes once."""
    with database() as db:
        row = db.execute("SELECT cursor FROM cursors WHERE patient_id = ?", [patient_id]).fetchone()
        for page in connect.records.list(patient_id, starting_after=row[0] if row else None).pages():
            for record in page.data:
                resource = record.resource
                db.execute(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
                    [patient_id, record.source, resource["resourceType"], resource["id"]],
                )
            if page.next_cursor:
                db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", [patient_id, page.next_cursor])
