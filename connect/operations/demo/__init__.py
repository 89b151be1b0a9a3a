"""The demo: an organisation, its keys, a catalogue of pretend portals, and every process in one terminal."""
