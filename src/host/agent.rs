//! One session of `haoscar agent`: a JSON line in, a JSON line out, until the other side hangs up. No state.

use std::io::{BufRead, Write};

use super::{Host, HostError, Local, Request, Response};

/// Serves until `input` ends. An open transaction is then put back.
///
/// # Errors
/// What reading or writing said.
pub fn serve(mut local: Local, input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    for line in input.lines() {
        let response = answer(&mut local, &line?);
        serde_json::to_writer(&mut output, &response)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(local: &mut Local, line: &str) -> Response {
    let asked = serde_json::from_str::<Request>(line).map_err(|e| HostError::failed("request", e));
    match asked.and_then(|request| local.ask(&request)) {
        Ok(response) => response,
        Err(HostError::Failed { subject, why }) => Response::Failed { subject, why },
        Err(other) => Response::Failed { subject: "agent".to_owned(), why: other.to_string() },
    }
}
