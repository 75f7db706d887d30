//! Before something is done to a running cluster: asked at a terminal, refused without one unless -y was said.

use std::io::{IsTerminal, Write};

use super::{Exit, Failure};

/// Whether the person at the terminal says yes.
///
/// # Errors
/// There is no terminal (64), or it cannot be read.
pub fn confirmed(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "no terminal to ask: say -y, or apply a saved plan"));
    }
    print!("{question} [y/N] ");
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    Ok(matches!(answer.trim(), "y" | "yes"))
}
