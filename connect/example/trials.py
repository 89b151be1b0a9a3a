"""TrialFinder's trials, made up, and which of them a patient's records suggest."""

from dataclasses import dataclass

MATCHED_TYPES = ("Condition", "MedicationRequest", "Procedure", "AllergyIntolerance")


@dataclass(frozen=True)
class Trial:
    name: str
    about: str
    words: tuple[str, ...]


TRIALS = (
    Trial("BREATHE-2", "A once-a-day inhaler", ("asthma", "copd", "bronchitis", "emphysema")),
    Trial("STEADY", "Lower blood pressure without more pills", ("hypertension", "lisinopril", "amlodipine")),
    Trial("GLUCOSE-WATCH", "A sensor for people at risk of diabetes", ("diabetes", "metformin", "hyperglycemia")),
    Trial("HEARTWISE", "Cholesterol and the heart", ("hyperlipidemia", "cholesterol", "coronary", "simvastatin")),
    Trial("MOVE-EASY", "Chronic pain without opioids", ("chronic pain", "osteoarthritis", "back pain", "arthritis")),
    Trial("CLEAR-SINUS", "A spray for stubborn sinusitis", ("sinusitis", "rhinitis", "pollen")),
    Trial("SMILE", "A rinse for sore gums", ("gingivitis", "dental", "gingival")),
    Trial("CALM", "Sleep and stress", ("stress", "anxiety", "insomnia", "depress")),
)


def matches(titles: list[str]) -> list[dict]:
    """The trials that fit, each with the record that says so."""
    found = []
    for trial in TRIALS:
        reason = next((title for title in titles if any(word in title.lower() for word in trial.words)), None)
        if reason:
            found.append({"name": trial.name, "about": trial.about, "reason": reason})
    return found
