//! The difference between desired and observed, ordered, with reasons, impact and what it waits for. Pure.
