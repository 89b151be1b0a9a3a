"""A patient whose records hold everything that JSON carriers damage: digits, escapes, ids, order, length."""

import json
from pathlib import Path

PATIENT = "Odd.Patient-" + "aZ0-." * 10 + "-."
PRACTITIONER = "-.9aZ" * 12 + "End."
OBSERVATIONS = 230
LOINC = '{"coding":[{"system":"http://loinc.org","code":"2160-0"}]}'
LAB = (
    '[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}]'
)  # fmt: skip

NUMBERS = (
    "1.00", "1E-7", "1e-7", "0.10", "-0.0", "-0", "100000000000000000000000000000", "1.0E+2", "1e400", "-1E-400",
    "0.1000000000000000055511151231257827021181583404541015625", "9007199254740993", "3.14159265358979323846264338327950288",
)  # fmt: skip
TEXTS = (
    '"caf\\u00e9 = café"', '"\\ud83d\\ude00 = 😀"', '"\\/ and / are alike"', '"\\"\\\\\\b\\f\\n\\r\\t"', '"\\u0000\\u001f"',
    '"עברית العربية 日本語 ไทย"', '"e\\u0301 = é"', '"\\u2028\\u2029 line ends"', '"<script>&amp;\'"', '""', '" "',
    '"' + "long " * 4000 + '"', '"\\u200b\\ufeff\\u202e"', '"{\\"resource\\":1}],"', '"NaN"', '"1.00"',
)  # fmt: skip


def observation(place: int) -> str:
    """The place-th Observation, as text: members in another order each time."""
    number, text = NUMBERS[place % len(NUMBERS)], TEXTS[place % len(TEXTS)]
    id_ = f"{place:03d}" + (".-xY9" * 13)[: 61 if place % 2 else 5]
    members = [
        '"resourceType":"Observation"', f'"id":"{id_}"', '"status":"final"', f'"category":{LAB}', f'"code":{LOINC}',
        f'"subject":{{"reference":"Patient/{PATIENT}"}}',
        f'"performer":[{{"reference":"Practitioner/{PRACTITIONER}"}}]',
        f'"valueQuantity":{{"value":{number},"unit":{text}}}', f'"note":[{{"text":{text}}}]',
        '"effectiveDateTime":"2026-02-29T00:00:00.000+14:00"',
        '"extension":[{"url":"urn:deep","valueString":null,"extension":[[],{},[[[{"a":[1.0,1.00,1.000]}]]]]}]',
    ]  # fmt: skip
    turn = place % len(members)
    return "{" + ",".join(members[turn:] + members[:turn]) + "}"


def resources() -> list[str]:
    patient = (
        f'{{"id":"{PATIENT}","name":[{{"text":"Zoë \\u00d8 😀 \\ud83d\\ude00"}}],"resourceType":"Patient",'
        '"birthDate":"1970-01-01","identifier":[{"system":"urn:x","value":"1.00"}],'
        '"multipleBirthInteger":2,"extension":[{"url":"urn:n","valueDecimal":1.00}]}'
    )
    practitioner = f'{{"resourceType":"Practitioner","id":"{PRACTITIONER}","name":[{{"family":"Ó\\u0000"}}]}}'
    note = (
        f'{{"resourceType":"DocumentReference","id":"{"d" * 64}","status":"current","category":[{{"coding":'
        f'[{{"system":"http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category","code":"clinical-note"'
        f'}}]}}],"subject":{{"reference":'
        f'"Patient/{PATIENT}"}},"content":[{{"attachment":{{"contentType":"text/plain","url":"Binary/{"b" * 64}"}}}}]}}'
    )
    binary = f'{{"resourceType":"Binary","id":"{"b" * 64}","contentType":"text/plain","data":"w6kK"}}'
    plan = (
        f'{{"resourceType":"CarePlan","id":"c.1","status":"active","intent":"plan","subject":{{"reference":"Patient/'
        f'{PATIENT}"}},"category":[{{"coding":[{{"system":"http://hl7.org/fhir/us/core/CodeSystem/careplan-category",'
        '"code":"assess-plan"}]}]}'
    )
    return [patient, practitioner, note, binary, plan, *(observation(place) for place in range(OBSERVATIONS))]


def write_bundle(path: Path) -> None:
    """The patient as a transaction bundle, every value as it is written here."""
    entries = []
    for text in resources():
        head = json.loads(text)
        target = f"{head['resourceType']}/{head['id']}"
        entries.append(
            f'{{"fullUrl":"urn:x:{target}","resource":{text},"request":{{"method":"PUT","url":"{target}"}}}}'
        )
    path.write_text(f'{{"resourceType":"Bundle","type":"transaction","entry":[{",".join(entries)}]}}', encoding="utf-8")
