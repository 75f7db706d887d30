//! `haoscar init`: at most ten questions, then a spec that validates.

use std::fs;
use std::io::IsTerminal;
use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use inquire::validator::{ErrorMessage, Validation};
use inquire::{InquireError, Text};

use super::source::Gathered;
use super::via::{Reach, hardware, own_name};
use super::{Common, Exit, Failure, plan, problems};
use crate::cli::out::line;
use crate::spec::draft::{Answers, Known, LATER, NONE, QUESTIONS, Question, asked, check, proposal, write};
use crate::spec::{Os, Severity, Sources, judge};

/// Options of `haoscar init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  haoscar init                              on the first head: its cards, address and storage are proposed
  haoscar init --from head-1                of another machine, by ssh
  haoscar init -y --peer none               every proposal is taken, nobody is asked
  haoscar init -y --peer-cards '52:54:00:20:00:02=192.0.2.12 52:54:00:20:00:12=10.20.0.2' \\
      --boards '10.20.1.1 10.20.1.2' --nodes 'compute[001-064]=10.20.2.1'

Stopped in the middle, it goes on where it was. Nothing is applied: a plan is shown at the end where there is a terminal.
Exit status: 0 written; 1 stopped; 64 an answer is missing and there is no terminal; 65 an answer cannot be one;
107 there is a spec already.")]
pub struct Options {
    /// Where to write the spec
    #[arg(short, long, value_name = "FILE", default_value = "cluster.yaml")]
    output: Utf8PathBuf,
    /// The first head, which says what it is: a host, or `none` to be asked everything. Default: this machine
    #[arg(long, value_name = "HOST")]
    from: Option<String>,
    /// The first head's name. Default: its own
    #[arg(long, value_name = "NAME")]
    head: Option<String>,
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    reach: Reach,
    /// Ask nothing: take every proposal
    #[arg(short, long)]
    yes: bool,
}

/// Answers that are given as options.
#[derive(Debug, Args)]
#[command(next_help_heading = "Answers")]
struct Said {
    /// The cluster's name
    #[arg(long)]
    name: Option<String>,
    /// Its domain
    #[arg(long)]
    domain: Option<String>,
    /// The first head's card on the users' network: 'CARD MAC ADDRESS/PREFIX GATEWAY' (the gateway may be left
    /// away), or none
    #[arg(long, value_name = "CARD")]
    public: Option<String>,
    /// The first head's card on the nodes' network: 'CARD MAC ADDRESS/PREFIX'
    #[arg(long, value_name = "CARD")]
    inside: Option<String>,
    /// The second head's name, or none
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// Its cards: 'MAC=ADDRESS MAC=ADDRESS'
    #[arg(long, value_name = "CARDS")]
    peer_cards: Option<String>,
    /// The heads' boards (IPMI): 'ADDRESS ADDRESS', or later
    #[arg(long, value_name = "ADDRESSES")]
    boards: Option<String>,
    /// Addresses that move from head to head: 'ADDRESS ADDRESS'
    #[arg(long, value_name = "ADDRESSES")]
    addresses: Option<String>,
    /// Where storage is mounted that all heads see, or none
    #[arg(long, value_name = "PATH")]
    storage: Option<String>,
    /// Compute nodes and the first one's address: 'RANGE=ADDRESS', or none
    #[arg(long, value_name = "NODES")]
    nodes: Option<String>,
}

impl Said {
    fn get(&self, name: &str) -> Option<&String> {
        let all = [
            ("name", &self.name),
            ("domain", &self.domain),
            ("public", &self.public),
            ("inside", &self.inside),
            ("peer", &self.peer),
            ("peer-cards", &self.peer_cards),
            ("boards", &self.boards),
            ("addresses", &self.addresses),
            ("storage", &self.storage),
            ("nodes", &self.nodes),
        ];
        all.into_iter().find(|(known, _)| *known == name).and_then(|(_, said)| said.as_ref())
    }
}

pub(super) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let output = &options.output;
    if output.exists() {
        let failure = Failure::new(Exit::Unsafe, format!("{output} is there already: nothing was touched"));
        return Err(failure.hint("haoscar validate looks at it; -o FILE writes another one"));
    }
    let known = known(options)?;
    let head = options.head.clone().unwrap_or_else(|| known.name.clone());
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let kept = Kept::beside(output);
    let answers = all(options, &known, terminal && !options.yes, &kept)?;
    let text = write(&head, Os::told(&known.os).unwrap_or_default(), &answers)
        .map_err(|(name, why)| Failure::new(Exit::Invalid, format!("--{name}: {why}")))?;
    validated(output, &text)?;
    let mut file = fs::File::create_new(output).map_err(|e| failed(output, &e))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| failed(output, &e))?;
    kept.forget();
    if !common.quiet {
        line!("{output} is written, and valid: read it, it says what may come next");
    }
    if terminal && !options.yes {
        let spec = Common { spec: Some(output.clone()), ..common.clone() };
        return plan::of_spec(&spec, &options.reach).or_else(|failure| {
            line!("a plan is not possible yet: {}", failure.message);
            Ok(Exit::Done)
        });
    }
    if !common.quiet {
        line!("next: haoscar plan --spec {output}");
    }
    Ok(Exit::Done)
}

fn failed(path: &Utf8Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{path}: {error}"))
}

fn known(options: &Options) -> Result<Known, Failure> {
    match options.from.as_deref() {
        Some(NONE) => {
            Ok(Known { name: options.head.clone().unwrap_or("head-1".to_owned()), ..Known::default() })
        }
        Some(host) => hardware(host, &options.reach),
        None => hardware(&own_name(), &Reach::here()),
    }
}

/// Every answer: those of options, of a run that was stopped, of a person, or as proposed.
fn all(options: &Options, known: &Known, ask: bool, kept: &Kept) -> Result<Answers, Failure> {
    let (mut answers, mut missing, before) = (Answers::new(), Vec::new(), kept.answers());
    for (number, question) in QUESTIONS.iter().enumerate() {
        let name = question.name;
        if !asked(name, &answers) {
            continue;
        }
        let proposed = before.get(name).cloned().filter(|said| check(name, said, &answers).is_ok());
        let proposed = proposed.or_else(|| proposal(name, known, &answers));
        let said = match options.said.get(name) {
            Some(said) => {
                check(name, said, &answers)
                    .map_err(|why| Failure::new(Exit::Invalid, format!("--{name}: {why}")))?;
                Some(said.clone())
            }
            None if ask => Some(prompt(number, question, proposed.as_deref(), &answers)?),
            None => proposed,
        };
        match said {
            Some(said) => {
                answers.insert(name.to_owned(), said);
                if ask {
                    kept.keep(&answers)?; // what is proposed is proposed again
                }
            }
            None => missing.push(format!("--{name} '{}'", question.form)),
        }
    }
    if missing.is_empty() {
        return Ok(answers);
    }
    let message =
        format!("only a person can know this, and there is no terminal to ask:\n  {}", missing.join("\n  "));
    Err(Failure::new(Exit::Usage, message))
}

fn prompt(
    number: usize,
    question: &Question,
    proposed: Option<&str>,
    answers: &Answers,
) -> Result<String, Failure> {
    let (name, known) = (question.name, answers.clone());
    let validator = move |said: &str| {
        Ok(match check(name, said, &known) {
            Ok(()) => Validation::Valid,
            Err(why) => Validation::Invalid(ErrorMessage::Custom(why)),
        })
    };
    let text = format!("{}/{} {}:", number + 1, QUESTIONS.len(), question.text);
    let mut asked = Text::new(&text).with_help_message(question.form).with_validator(validator);
    if let Some(proposed) = proposed {
        asked = asked.with_initial_value(proposed);
    }
    asked.prompt().map(|said| said.trim().to_owned()).map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::new(Exit::Failed, "stopped: what was answered is kept")
                .hint("haoscar init goes on from there")
        }
        other => Failure::new(Exit::Failed, other.to_string()),
    })
}

/// The file must be a valid spec before it is anybody's.
fn validated(output: &Utf8Path, text: &str) -> Result<(), Failure> {
    let sources = Sources::of_text(output.file_name().unwrap_or(Sources::ROOT), text);
    let Err(found) = judge(&sources) else { return Ok(()) };
    let gathered =
        Gathered { sources, folder: output.parent().map(Utf8Path::to_owned).unwrap_or_default(), kept: None };
    let errors: Vec<_> = found.into_iter().filter(|problem| problem.severity == Severity::Error).collect();
    eprint!("{}", problems::text(&errors, &gathered, problems::colour_of_stderr()));
    let hint = format!("the answers are kept; give other ones ({LATER} and {NONE} are answers too)");
    Err(Failure::new(Exit::Invalid, "these answers make no valid spec: nothing was written").hint(hint))
}

/// What was answered before it was stopped.
struct Kept {
    path: Utf8PathBuf,
}

impl Kept {
    fn beside(output: &Utf8Path) -> Self {
        let folder = output.parent().map(Utf8Path::to_owned).unwrap_or_default();
        Self { path: folder.join(format!(".{}.init.json", output.file_name().unwrap_or(Sources::ROOT))) }
    }

    fn answers(&self) -> Answers {
        fs::read(&self.path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn keep(&self, answers: &Answers) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(answers).unwrap_or_default(); // strings: it cannot fail
        fs::write(&self.path, text).map_err(|e| failed(&self.path, &e))
    }

    fn forget(&self) {
        let _ = fs::remove_file(&self.path); // a stale one only proposes
    }
}
