//! Every test of the project in one binary: rejects, goldens, command-line sessions, and the lab (root).
