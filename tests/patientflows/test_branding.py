"""An organisation's look: legible in any colour, a logo that holds nothing but a picture, a preview for staff."""

import io
import struct
import zlib

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from connect.pictures import MAX_BYTES, PictureRefused, clean_picture
from patientflows.branding import AA_CONTRAST, DARK_PAGE, LIGHT_PAGE, contrast, legible_on, text_on

COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


def picture(form: str = "PNG", size=(40, 20), **more) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#0a6640").save(out, form, **more)
    return out.getvalue()


@given(COLOURS)
def test_any_colour_is_legible_on_light_and_dark_pages_and_carries_legible_text(colour):
    for page in (LIGHT_PAGE, DARK_PAGE):
        shown = legible_on(page, colour)
        assert contrast(page, shown) >= AA_CONTRAST
        assert contrast(shown, text_on(shown)) >= AA_CONTRAST


def test_a_colour_that_is_legible_stays_as_it_is():
    assert legible_on(LIGHT_PAGE, (11, 92, 173)) == (11, 92, 173)


def test_the_stylesheet_is_a_file_of_two_rules(client, organization):
    answer = client.get(f"/brand/{organization.slug}.css")
    assert answer["Content-Type"] == "text/css"
    assert answer.content.count(b"--brand:#") == 2


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_comes_out_as_a_small_png(form):
    cleaned = Image.open(io.BytesIO(clean_picture(picture(form, (1200, 600)))))
    assert (cleaned.format, cleaned.size) == ("PNG", (512, 256))


def test_what_was_hidden_in_it_is_gone():
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", "<script>alert(1)</script>")
    data = picture(pnginfo=told) + b"<?php system('id'); ?>"
    assert b"script" in data
    cleaned = clean_picture(data)
    assert b"script" not in cleaned
    assert b"php" not in cleaned


@pytest.mark.parametrize(
    "data",
    [
        b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", picture()[:60],
        picture("BMP"), b"x" * (MAX_BYTES + 1),
    ],
    ids=["empty", "text", "svg", "cut off", "bmp", "too large"],
)  # fmt: skip
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(PictureRefused):
        clean_picture(data)


def test_a_small_file_of_a_huge_picture_is_refused_before_it_is_unpacked():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(PictureRefused):
        clean_picture(bomb)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_the_logo_is_served_as_png(client, organization):
    assert client.get(f"/brand/{organization.slug}/logo").status_code == 404
    type(organization).objects.update(logo=clean_picture(picture()))
    answer = client.get(f"/brand/{organization.slug}/logo")
    assert answer["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


def test_the_preview_is_for_staff_and_its_buttons_lead_nowhere(client, organization):
    url = f"/brand/{organization.slug}/preview"
    assert client.get(url).status_code == 302
    client.force_login(get_user_model().objects.create(username="staff", is_staff=True))
    answer = client.get(url)
    assert "This is a preview" in answer.content.decode()
    assert organization.name in answer.content.decode()
    assert client.get("/c/preview").status_code == 404


@pytest.fixture
def admin(client, db):
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


def filled(organization, **more) -> dict:
    return {"name": organization.name, "slug": organization.slug, "colour": "#0b5cad"} | more


def test_the_look_is_set_in_the_admin_and_leads_to_its_preview(admin, organization):
    page = f"/admin/organizations/organization/{organization.pk}/change/"
    assert f"/brand/{organization.slug}/preview" in admin.get(page).content.decode()
    upload = SimpleUploadedFile("logo.jpg", picture("JPEG", (900, 300)), "image/jpeg")
    said = {
        "colour": "#ffff00", "new_logo": upload, "purpose": "to find help", "purpose_es": "para hallar ayuda",
        "support_contact": "help@example.org", "privacy_url": "https://example.org/privacy", "button_label": "Example",
    }  # fmt: skip
    assert admin.post(page, filled(organization, **said)).status_code == 302
    organization.refresh_from_db()
    assert bytes(organization.logo).startswith(b"\x89PNG")
    preview = admin.get(f"/brand/{organization.slug}/preview").content.decode()
    for shown in (
        "to find help",
        "help@example.org",
        "https://example.org/privacy",
        f"/brand/{organization.slug}/logo",
    ):
        assert shown in preview


def test_a_bad_logo_or_colour_is_refused_in_the_admin(admin, organization):
    page = f"/admin/organizations/organization/{organization.pk}/change/"
    bad = SimpleUploadedFile("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")
    assert "must be a PNG" in admin.post(page, filled(organization, new_logo=bad)).content.decode()
    assert "A colour such as" in admin.post(page, filled(organization, colour="red;}")).content.decode()
    organization.refresh_from_db()
    assert (organization.logo, organization.colour) == (None, "#0b5cad")
