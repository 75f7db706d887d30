//! Sessions of the command line.
