"""An organisation's look: its colour made legible whatever was chosen, and its logo."""

from django.contrib.auth.decorators import user_passes_test
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_GET

from connect.organizations.models import Organization
from patientflows import statement
from patientflows.models import PatientFlow
from patientflows.rendering import page
from portals.models import Logo

AA_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
# The pages' backgrounds that are furthest from black and from white: what is legible there is legible on all.
LIGHT_PAGE, DARK_PAGE = (243, 246, 250), (38, 46, 58)
STEP = 0.06

Rgb = tuple[int, int, int]


def parse(colour: str) -> Rgb:
    """`#0b5cad` → (11, 92, 173)."""
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def luminance(colour: Rgb) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def legible_on(page: Rgb, colour: Rgb) -> Rgb:
    """The colour, moved away from the page's until text in it can be read there."""
    towards = (0, 0, 0) if luminance(page) > 0.5 else (255, 255, 255)
    while contrast(page, colour) < AA_CONTRAST:
        colour = tuple(round(c + (t - c) * STEP) if abs(t - c) > 8 else t for c, t in zip(colour, towards, strict=True))
    return colour


def text_on(colour: Rgb) -> Rgb:
    """Black or white, whichever can be read better on the colour."""
    return max(((0, 0, 0), (255, 255, 255)), key=lambda text: contrast(text, colour))


def stylesheet(organization: Organization) -> str:
    """Custom properties for both colour schemes."""
    light = legible_on(LIGHT_PAGE, parse(organization.colour))
    dark = legible_on(DARK_PAGE, parse(organization.colour))
    return (
        f":root{{--brand:{_hex(light)};--on-brand:{_hex(text_on(light))}}}"
        f"@media(prefers-color-scheme:dark){{:root{{--brand:{_hex(dark)};--on-brand:{_hex(text_on(dark))}}}}}"
    )


def _hex(colour: Rgb) -> str:
    return "#" + "".join(f"{c:02x}" for c in colour)


@require_GET
@cache_control(public=True, max_age=300)
def brand_css(request, slug):
    """`/brand/{slug}.css`: a file, because the pages' policy allows no inline style."""
    return HttpResponse(stylesheet(get_object_or_404(Organization, slug=slug)), content_type="text/css")


@require_GET
@cache_control(public=True, max_age=300)
def brand_logo(request, slug):
    """`/brand/{slug}/logo`: the re-encoded PNG."""
    organization = get_object_or_404(Organization, slug=slug)
    if not organization.logo:
        raise Http404
    return HttpResponse(bytes(organization.logo), content_type="image/png")


@require_GET
@cache_control(public=True, max_age=86400)
def source_logo(request, logo_id):
    """`/logos/{id}.png`: a portal's logo as we fetched it."""
    png = Logo.objects.filter(pk=logo_id).exclude(png=None).values_list("png", flat=True).first()
    if png is None:
        raise Http404
    return HttpResponse(bytes(png), content_type="image/png")


@never_cache
@require_GET
@user_passes_test(lambda user: user.is_active and user.is_staff)
def brand_preview(request, slug):
    """`/brand/{slug}/preview`: the start page as patients see it, for staff; its buttons lead nowhere."""
    organization = get_object_or_404(Organization, slug=slug)
    flow = PatientFlow(organization=organization)
    return page(
        request, "start", flow=flow, organization=organization, token="preview", preview=True,
        asks=statement.request_sentence(organization), terms=statement.sharing_sentences(organization),
    )  # fmt: skip
