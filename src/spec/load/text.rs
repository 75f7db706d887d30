//! Bytes that may be a YAML text: there, not too large, UTF-8.

use crate::spec::{Place, Problem, Sources};

/// A spec of 100,000 nodes that are written one by one has about 28 MB; more is a mistake, or an attack.
pub const BYTES_MAX: usize = 40 * 1024 * 1024;

/// The root document as text.
pub(super) fn read(sources: &Sources) -> Result<&str, Box<Problem>> {
    let file = &sources.root;
    let place = |line, column| Place { file: file.clone(), line, column, bytes: 0..0, label: String::new() };
    let Some(bytes) = sources.get(file) else {
        return Err(Box::new(Problem::error("spec/missing-file", format!("{file} is not there"))));
    };
    if bytes.len() > BYTES_MAX {
        let message = format!("{file} has {} MB; a spec may have {} MB", bytes.len() >> 20, BYTES_MAX >> 20);
        let hint =
            "fold nodes into ranges such as compute[001-064], and put MACs into a CSV file beside the spec";
        return Err(Box::new(Problem::error("spec/too-large", message).at(place(1, 1)).hint(hint)));
    }
    let good = match std::str::from_utf8(bytes) {
        Ok(text) => text.find('\0').map_or(Ok(text), Err),
        Err(error) => Err(error.valid_up_to()),
    };
    good.map_err(|offset| {
        let before = String::from_utf8_lossy(&bytes[..offset]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        let message =
            format!("{file} is not a text: byte 0x{:02x} cannot stand in UTF-8 YAML", bytes[offset]);
        Box::new(
            Problem::error("spec/not-text", message)
                .at(place(line, column))
                .hint("save the file as UTF-8, or check that it is the spec at all"),
        )
    })
}
