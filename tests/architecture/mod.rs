//! Walls between rooms, limits of functions and files.
