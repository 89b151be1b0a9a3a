"""A whole app on Connect: a button, the page patients come back to, and the webhooks."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

APP_URL = f"http://127.0.0.1:{os.environ['PORT']}"
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
connect = requests.Session()
connect.headers["Authorization"] = f"Bearer {os.environ['CONNECT_KEY']}"


def new_flow() -> str:
    answer = connect.post(
        f"{os.environ['CONNECT_URL']}/patient-flows",
        json={"patient_id": "volunteer-1", "return_url": f"{APP_URL}/back", "return_button_label": "my app"},
        timeout=10,
    )
    answer.raise_for_status()
    return answer.json()["url"]


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        back = self.path.startswith("/back?")
        page = "<h1>Welcome back.</h1>" if back else "<form method=post><button>Connect your records</button></form>"
        self.reply(200, page, {"Content-Type": "text/html"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/webhooks":
            return self.reply(303, "", {"Location": new_flow()})
        try:
            event = webhook.verify(body, dict(self.headers))  # the raw bytes: they are what is signed
        except WebhookVerificationError:
            return self.reply(401)
        print(event["type"], event.get("patient_id"), flush=True)
        self.reply(204)

    def reply(self, status, body="", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())


print(f"Open {APP_URL}", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), App).serve_forever()
