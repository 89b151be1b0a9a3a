"""A pull's conversation with its portal, kept without anything about the patient: to be read, sent on, and played again."""
