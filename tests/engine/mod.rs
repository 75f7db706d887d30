//! What the engine is configured with.
