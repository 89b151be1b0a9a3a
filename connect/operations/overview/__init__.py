"""The overview: what flows, what is stuck, at whom it lies. Numbers over a window, numbers of this moment, charts."""
