"""US states and the ZIP codes that lie in them."""

import re

STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "PR": "Puerto Rico", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming", "GU": "Guam",
    "VI": "Virgin Islands", "AS": "American Samoa", "MP": "Northern Mariana Islands",
}  # fmt: skip

_CODES_BY_NAME = {name.lower(): code for code, name in STATES.items()}

# The first three digits of ZIP codes, as inclusive ranges, in the order the Postal Service gave them out.
_ZIP3_RANGES = [
    (5, 5, "NY"), (6, 7, "PR"), (8, 8, "VI"), (9, 9, "PR"), (10, 27, "MA"), (28, 29, "RI"), (30, 38, "NH"),
    (39, 49, "ME"), (50, 59, "VT"), (60, 69, "CT"), (70, 89, "NJ"), (100, 149, "NY"), (150, 196, "PA"),
    (197, 199, "DE"), (200, 200, "DC"), (201, 201, "VA"), (202, 205, "DC"), (206, 219, "MD"), (220, 246, "VA"),
    (247, 268, "WV"), (270, 289, "NC"), (290, 299, "SC"), (300, 319, "GA"), (320, 349, "FL"), (350, 369, "AL"),
    (370, 385, "TN"), (386, 397, "MS"), (398, 399, "GA"), (400, 427, "KY"), (430, 459, "OH"), (460, 479, "IN"),
    (480, 499, "MI"), (500, 528, "IA"), (530, 549, "WI"), (550, 567, "MN"), (570, 577, "SD"), (580, 588, "ND"),
    (590, 599, "MT"), (600, 629, "IL"), (630, 658, "MO"), (660, 679, "KS"), (680, 693, "NE"), (700, 714, "LA"),
    (716, 729, "AR"), (730, 749, "OK"), (750, 799, "TX"), (800, 816, "CO"), (820, 831, "WY"), (832, 838, "ID"),
    (840, 847, "UT"), (850, 865, "AZ"), (870, 884, "NM"), (885, 885, "TX"), (889, 898, "NV"), (900, 961, "CA"),
    (967, 968, "HI"), (969, 969, "GU"), (970, 979, "OR"), (980, 994, "WA"), (995, 999, "AK"),
]  # fmt: skip
_STATE_BY_ZIP3 = {f"{n:03}": state for low, high, state in _ZIP3_RANGES for n in range(low, high + 1)}


def state_code(text: str | None) -> str:
    """`"Texas"`, `"tx"` → `"TX"`; what is no state of the United States comes back trimmed, as it was."""
    text = (text or "").strip()
    return text.upper() if text.upper() in STATES else _CODES_BY_NAME.get(text.lower(), text)


def state_of_zip(postal_code: str | None) -> str:
    """The state a ZIP code lies in, or `""`: `"85054"`, `"85054-1234"` and `"850541234"` → `"AZ"`."""
    return _STATE_BY_ZIP3.get((postal_code or "").strip()[:3], "")


def place_in(text: str) -> tuple[str, str, str]:
    """City, state and ZIP code in what somebody typed: `"Phoenix, AZ"`, `"85054"`, `"arizona"`, `"st paul mn"`."""
    text = " ".join(text.replace(",", " , ").split())
    postal_code = next(iter(re.findall(r"\b\d{5}\b", text)), "")
    rest = re.sub(r"\b\d{5}(?:-\d{4})?\b", "", text).replace(" ,", ",").strip(" ,")
    for length in (3, 2, 1):
        words = rest.replace(",", " ").split()
        state = state_code(" ".join(words[-length:]))
        if words and state in STATES:
            return " ".join(words[:-length]), state, postal_code
    return rest, state_of_zip(postal_code), postal_code


def zip5(postal_code: str | None) -> str:
    """A US postal code cut to its five digits; anything else comes back trimmed, as it was."""
    text = (postal_code or "").strip()
    digits = text.replace("-", "").replace(" ", "")
    return digits[:5] if digits.isdigit() and len(digits) in (5, 9) else text
