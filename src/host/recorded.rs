//! A host that is listened to while a plan asks it, and one that answers from what was heard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Host, HostError, Request, Response};
use crate::desired::Answer;
use crate::observed::Exported;

/// What programs answered, by request.
pub type Heard = Arc<Mutex<BTreeMap<String, Answer>>>;

/// Hands everything on, and keeps what programs answer.
pub struct Listener {
    inner: Box<dyn Host + Send>,
    heard: Heard,
}

impl Listener {
    /// To this host.
    pub fn to(inner: Box<dyn Host + Send>) -> (Self, Heard) {
        let heard = Heard::default();
        (Self { inner, heard: heard.clone() }, heard)
    }
}

impl Host for Listener {
    fn ask(&mut self, request: &Request) -> Result<Response, HostError> {
        let response = self.inner.ask(request)?;
        if let Response::Answer(answer) = &response {
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(key(request), answer.clone());
        }
        Ok(response)
    }
}

/// Answers what was heard, and takes no change.
#[derive(Debug)]
pub struct Recorded {
    name: String,
    exported: Exported,
}

impl Recorded {
    /// The host of this name.
    pub fn new(name: &str, exported: Exported) -> Self {
        Self { name: name.to_owned(), exported }
    }
}

impl Host for Recorded {
    fn ask(&mut self, request: &Request) -> Result<Response, HostError> {
        let unheard = |why: &str| Err(HostError::failed(&self.name, why));
        match request {
            Request::Hello => Ok(Response::Facts(Box::new(self.exported.facts.clone()))),
            Request::Observe { files, directories, units } => {
                Ok(Response::Observed(Box::new(self.exported.observed(files, directories, units))))
            }
            Request::Ask(_) | Request::Run { .. } => match self.exported.answers.get(&key(request)) {
                Some(answer) => Ok(Response::Answer(answer.clone())),
                None => unheard("this was not asked when the facts were exported"),
            },
            _ => unheard("exported facts answer a plan, and nothing else"),
        }
    }
}

/// The request itself, without how long its answer may take.
fn key(request: &Request) -> String {
    let mut value = serde_json::to_value(request).unwrap_or_default(); // strings and numbers: it cannot fail
    forget_limits(&mut value);
    value.to_string()
}

fn forget_limits(value: &mut serde_json::Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("timeout_ms");
        fields.values_mut().for_each(forget_limits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Host for Echo {
        fn ask(&mut self, _: &Request) -> Result<Response, HostError> {
            let stdout = "1".to_owned();
            Ok(Response::Answer(Answer { status: Some(0), stdout, stderr: String::new() }))
        }
    }

    fn run(word: &str, timeout_ms: u64) -> Request {
        Request::Run { argv: vec![word.to_owned()], input: String::new(), timeout_ms }
    }

    #[test]
    fn what_a_program_answered_is_answered_again_and_nothing_is_changed() {
        let (mut listener, heard) = Listener::to(Box::new(Echo));
        listener.ask(&run("crm_mon", 5)).unwrap();
        let answers = heard.lock().unwrap().clone();
        let mut host = Recorded::new("head-1", Exported { answers, ..Exported::default() });
        assert!(matches!(host.ask(&run("crm_mon", 9)), Ok(Response::Answer(answer)) if answer.stdout == "1"));
        assert!(host.ask(&run("crm_simulate", 5)).is_err());
        for change in [Request::Begin { id: String::new() }, Request::Revert, Request::Claim(1)] {
            assert!(host.ask(&change).is_err(), "{change:?}");
        }
    }
}
