"""Alerts: what is wrong now, what was, and whether anybody was told."""

from django.contrib import admin
from django.db.models import Q
from unfold.decorators import display

from connect.operations import labels, links
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.operations.alerts import page_of_subject
from connect.operations.models import Alert


@admin.register(Alert)
class AlertAdmin(OperationsAdmin):
    found_by = {"alert_": "pk"}
    search_help_text = "Alert id, or what it is about (a source, an endpoint, a queue)"
    list_display = ("text", "state", "rule_words", "raised_at", "resolved_at", "environment")
    list_filter = (filters.choice("status"), filters.made_within("alert"))
    fields = ("text", "state", "rule_words", "about", "raised_at", "seen_at", "resolved_at")
    readonly_fields = ("state", "rule_words", "about")

    def _found(self, request, term):
        return Q(subject=term)

    @display(description="Status")
    def state(self, alert):
        return labels.badge(alert.status, "danger" if alert.status == Alert.Status.OPEN else "success")

    @display(description="Rule")
    def rule_words(self, alert):
        return alert.rule.replace("_", " ")

    @display(description="About")
    def about(self, alert):
        page = page_of_subject(alert)
        return links.outward(page, alert.subject) if page else alert.subject or "–"

    def panels(self, request, alert):
        return [notices_table(alert)]


def notices_table(alert: Alert) -> panels.Table:
    return panels.Table(
        "Who was told", ("Channel", "Of", "Sent", "Tries left", "Last error"),
        [(row.channel, "the alert" if row.about == Alert.Status.OPEN else "its end", labels.when(row.sent_at),
          row.tries_left, row.last_error or "–") for row in alert.notices.order_by("pk")],
        empty="Nobody: neither ALERT_EMAILS nor ALERT_WEBHOOK_URL is set.",
    )  # fmt: skip
