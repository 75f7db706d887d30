//! "did you mean": the known word that a mistyped one is closest to.

/// Less alike than this is no typing error.
const ALIKE_LEAST: f64 = 0.72;

/// The word of `known` that `word` is most probably meant to be, if any is close.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let score = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        strsim::normalized_damerau_levenshtein(&lower, &candidate)
            .max(strsim::jaro_winkler(&lower, &candidate) - 0.15)
    };
    let scored = known.into_iter().map(|candidate| (score(candidate), candidate));
    let best =
        scored.filter(|(s, _)| *s >= ALIKE_LEAST).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
    best.map(|(_, candidate)| candidate)
}
