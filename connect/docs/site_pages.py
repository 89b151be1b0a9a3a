"""`/docs/…`: the documentation site's pages."""

from mimetypes import guess_type

from django.http import FileResponse, Http404, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connect.docs import site


@require_safe
def site_page(request, path=""):
    """A file of the built site. Where none was built, the front page says how to build it."""
    file = site.find(path)
    if file is None:
        if path or site.is_built():
            raise Http404
        return render(request, "docs/not_built.html", status=404)
    if file.suffix != ".html":
        return FileResponse(file.open("rb"), content_type=guess_type(file.name)[0])
    if path and not path.endswith("/") and file.name == "index.html":
        return HttpResponsePermanentRedirect(f"{request.path}/")
    return _html(file.read_bytes())


def _html(page: bytes) -> HttpResponse:
    """The page under the site's policy, widened by what the generator wrote into it: what `csp_update` would set."""
    response = HttpResponse(page)
    response._csp_update = {"script-src": site.script_hashes(page), "style-src": "'unsafe-inline'"}
    return response
