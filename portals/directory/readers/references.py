"""FHIR references within a bundle: full URLs, `urn:uuid:`, relative and absolute forms (brand-refs-all-forms)."""


class References:
    """Resources of one type, found by every form a reference to them may take."""

    def __init__(self):
        self._by_full_url: dict[str, object] = {}
        self._by_type_and_id: dict[str, object] = {}

    def add(self, kept: object, full_url: object, kind: str, id: object) -> None:
        if isinstance(full_url, str):
            self._by_full_url.setdefault(full_url, kept)
        if isinstance(id, str):
            self._by_type_and_id.setdefault(f"{kind}/{id}", kept)
            self._by_full_url.setdefault(f"urn:uuid:{id}", kept)

    def find(self, reference: str, base: str = ""):
        """What a reference means to a resource whose full URL begins with `base`: full URL first, then `Type/id`, then
        the end of an absolute one. None when it dangles."""
        reference = reference.split("/_history/", 1)[0]
        if base and "://" not in reference and not reference.startswith("urn:"):
            found = self._by_full_url.get(f"{base}/{reference}")
            if found is not None:
                return found
        found = self._by_full_url.get(reference)
        return found if found is not None else self._by_type_and_id.get("/".join(reference.rsplit("/", 2)[-2:]))


def base_of(full_url: object) -> str:
    """`https://a/fhir/Organization/1` → `https://a/fhir`; nothing for a `urn:`."""
    return full_url.rsplit("/", 2)[0] if isinstance(full_url, str) and full_url.count("/") > 3 else ""
