"""How the admin site looks: Unfold's settings, and the sidebar, grouped by the story (patients, portals, webhooks)."""

from django.templatetags.static import static
from django.urls import reverse_lazy


def _allows(permission: str):
    return lambda request: request.user.has_perm(permission)


def _list(title: str, icon: str, app: str, model: str) -> dict:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _allows(f"{app}.view_{model}"),
    }


NAVIGATION = [
    {
        "items": [
            {"title": "Overview", "icon": "monitoring", "link": reverse_lazy("admin:index")},
            _list("Alerts", "notification_important", "operations", "alert"),
        ],
    },
    {
        "title": "The story",
        "separator": True,
        "items": [
            _list("Patients", "person", "organizations", "patient"),
            _list("Flows", "conversion_path", "patientflows", "patientflow"),
            _list("Attempts", "login", "patientflows", "attempt"),
            _list("Connections", "link", "portals", "connection"),
            _list("Pulls", "cloud_download", "pulls", "pull"),
            _list("Records", "description", "pulls", "record"),
        ],
    },
    {
        "title": "Portals",
        "separator": True,
        "items": [
            _list("Portals", "local_hospital", "portals", "source"),
            _list("Names", "list_alt", "portals", "listing"),
            _list("Directories", "menu_book", "portals", "directory"),
            _list("Directory updates", "published_with_changes", "portals", "directoryupdate"),
            _list("Failing token endpoints", "electric_bolt", "portals", "circuit"),
            _list("Registrations", "badge", "portals", "registration"),
            _list("Signing keys", "key", "portals", "signingkey"),
            _list("Missing portals", "help", "portals", "missingportal"),
            _list("Revocations", "link_off", "portals", "revocation"),
        ],
    },
    {
        "title": "Exports",
        "separator": True,
        "items": [
            _list("Destinations", "drive_export", "exports", "destination"),
            _list("Runs", "upload_file", "exports", "export"),
        ],
    },
    {
        "title": "Webhooks",
        "separator": True,
        "items": [
            _list("Endpoints", "webhook", "webhooks", "endpoint"),
            _list("Events", "notifications", "webhooks", "event"),
            _list("Deliveries", "outgoing_mail", "webhooks", "delivery"),
        ],
    },
    {
        "title": "Customers and people",
        "separator": True,
        "items": [
            _list("Organisations", "apartment", "organizations", "organization"),
            _list("API keys", "vpn_key", "organizations", "apikey"),
            _list("Staff", "group", "auth", "user"),
            _list("Roles", "shield_person", "auth", "group"),
            _list("Audit log", "history", "audit", "entry"),
        ],
    },
]

# A calm blue instead of Unfold's purple, in its own notation.
PRIMARY = {
    "50": "oklch(97% .014 254.604)", "100": "oklch(93.2% .032 255.585)", "200": "oklch(88.2% .059 254.128)",
    "300": "oklch(80.9% .105 251.813)", "400": "oklch(70.7% .165 254.624)", "500": "oklch(62.3% .214 259.815)",
    "600": "oklch(54.6% .245 262.881)", "700": "oklch(48.8% .243 264.376)", "800": "oklch(42.4% .199 265.638)",
    "900": "oklch(37.9% .146 265.522)", "950": "oklch(28.2% .091 267.935)",
}  # fmt: skip

UNFOLD = {
    "SITE_TITLE": "Connect",
    "SITE_HEADER": "Connect operations",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "connect.operations.overview.dashboard.dashboard",
    "COLORS": {"primary": PRIMARY},
    "STYLES": [lambda request: static("operations/operations.css")],
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("patientflows/icon.svg")}
    ],
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": NAVIGATION},
    "COMMAND": {"search_models": False, "search_callback": "connect.operations.finding.find_anything"},
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "Two-step sign-in", "link": reverse_lazy("admin:two_step")},
        ],
    },
}
